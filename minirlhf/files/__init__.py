"""Files that other people wrote: found, unpacked, told apart by what is in them, and parsed without harm."""
