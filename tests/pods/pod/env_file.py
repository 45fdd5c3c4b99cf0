"""The kubelet's parser of env files for `valueFrom.fileKeyRef`.

Kubernetes 1.35 and later read `NAME='value'` and take the value literally. Kubernetes 1.34 reads `NAME=value` and keeps
quotes.
"""


class EnvFileError(Exception):
    pass


def value_of(key, text):
    """Returns the first value of the key by the rules of 1.35.

    A malformed line before the key is an error, and so is an empty value.
    """
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].lstrip(" \t")
        if not line or line.startswith("#"):
            position = end + 1
            continue
        name, equals, rest = line.partition("=")
        if not equals or name != name.rstrip() or not name:
            raise EnvFileError("couldn't parse env file: no name")
        if rest[:1] in (" ", "\t"):
            position = end + 1
            continue
        if not rest.startswith("'"):
            raise EnvFileError("couldn't parse env file: no opening quote")
        begin = end - len(rest) + 1
        close = text.find("'", begin)
        if close < 0:
            raise EnvFileError("couldn't parse env file: no closing quote")
        end = text.find("\n", close)
        end = len(text) if end < 0 else end
        after = text[close + 1 : end].strip()
        if after and not after.startswith("#"):
            raise EnvFileError("couldn't parse env file: unexpected text after the closing quote")
        if name == key and close > begin:
            return text[begin:close]
        position = end + 1
    raise EnvFileError(f'environment variable key "{key}" not found in file')


def value_of_1_34(key, text):
    """Returns the first value of the key by the rules of 1.34."""
    for line in text.splitlines():
        line = line.strip()
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#") and name.strip() == key and value.strip():
            return value.strip()
    raise EnvFileError(f'environment variable key "{key}" not found in file')
