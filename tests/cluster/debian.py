"""Prints the path of an archive: the file system of Debian with Python. It is created once and kept in the cache."""

from stage import layers

if __name__ == "__main__":
    print(layers.debian())
