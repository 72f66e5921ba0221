"""Where a server listens, and under which names it is called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a server listens, and what others call that place."""

    store: str
    host: str = "127.0.0.1"
    port: int = 0
    address: str = ""
    """What phones open, where it is not the host: a proxy's, such as https://hub.example.org."""
    prefix: str = ""
    """What stands before every path, where a proxy or hub puts something there: /services/classroom."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which requests may come; others are somebody's trick with the name service."""
        named = self.address.split("://")[-1].split("/")[0].rsplit(":", 1)[0]
        return tuple({"127.0.0.1", "localhost", "[::1]", self.host, *([named] if named else [])})
