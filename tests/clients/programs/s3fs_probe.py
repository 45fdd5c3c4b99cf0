"""s3fs-fuse mounts the bucket `data`; reads an object for each line on stdin. The arguments are further options of s3fs."""

import os
import subprocess
import sys
import tempfile
import time

UNCACHED = "stat_cache_expire=0,max_stat_cache_size=0,retries=1,connect_timeout=5"


def main(options):
    mount = tempfile.mkdtemp(prefix="s3fs-")
    endpoint = f"url={os.environ['PROBE_ENDPOINT']},use_path_request_style,endpoint={os.environ['AWS_REGION']}"
    command = ["s3fs", "data", mount, "-f", "-o", endpoint, "-o", UNCACHED, *options]
    program = None
    try:
        for _ in sys.stdin:
            if program is None or program.poll() is not None:
                program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
                while not os.path.ismount(mount) and program.poll() is None:
                    time.sleep(0.05)
            try:
                with open(f"{mount}/hello.txt", "rb", buffering=0) as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    answer = "ok" if file.read() == b"hello\n" else "error other content"
            except OSError as error:
                answer = f"error {error.strerror}, s3fs: {'running' if program.poll() is None else program.returncode}"
            print(answer, flush=True)
    finally:
        subprocess.run(["umount", "--lazy", mount], stderr=subprocess.DEVNULL)
        if program:
            program.terminate()
            program.wait()
        os.rmdir(mount)


main(sys.argv[1:])
