"""Builds the programs of the cluster if the cache lacks them; the script `run` prepares the arguments."""

import argparse

from stage import programs

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default=programs.DEFAULT)
    for place in programs.build_all(parser.parse_args().version):
        print(place)
