"""Where a server listens, and under which names it is called."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

ON_A_HUB = "MINIRLHF_CLASSROOM"  # what phones open, where a hub's configuration says so: its server runs already


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
    stays: bool = False
    """Whether it serves on while no room is open, as a hub's service does: the hub would only start it again."""

    @property
    def called(self) -> str:
        """What phones open, as far as the host."""
        return self.address or f"http://{self.host}:{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which requests may come; others are somebody's trick with the name service."""
        named = self.address.split("://")[-1].split("/")[0].rsplit(":", 1)[0]
        return tuple({"127.0.0.1", "localhost", "[::1]", self.host, *([named] if named else [])})


def hubs_place() -> tuple[str, str]:
    """What phones open on this hub and what stands before every path, such as https://hub.example.org and
    /services/classroom; two empty texts where nobody has said so."""
    said = urlsplit(os.environ.get(ON_A_HUB, "").rstrip("/"))
    return (f"{said.scheme}://{said.netloc}" if said.netloc else ""), said.path
