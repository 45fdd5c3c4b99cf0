"""Creates the programs and the layers of the cluster that the cache lacks; the script `run` prepares the arguments."""

import argparse

from stage import layers, programs

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default=programs.DEFAULT)
    version = parser.parse_args().version
    for place in [layers.debian(), layers.pause(), *programs.build_all(version)]:
        print(place)
