"""Writes profiles with the AWS CLI's own writer, the one of `aws configure set`: `configure_set.py FILE PROFILE… COUNT`."""

import sys
import time

from awscli.customizations.configure.writer import ConfigFileWriter

*_, count = sys.argv
file, *profiles = sys.argv[1:-1]
for number in range(int(count)):
    values = {"__section__": profiles[number % len(profiles)], "aws_access_key_id": f"AKIA{number:016}"}
    ConfigFileWriter().update_config(values, file)
    time.sleep(0.002)
