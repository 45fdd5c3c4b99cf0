"""The pod of k8s/sidecar, to be changed by a test."""

import copy

import rendered


class SidecarPod:
    def __init__(self, documents):
        self.pod = next(copy.deepcopy(pod) for pod in map(rendered.pod_of, documents) if pod)
        self.credvend = self.pod["initContainers"][0]

    def volume(self, name):
        return next(volume for volume in self.pod["volumes"] if volume["name"] == name)

    def mount(self, name):
        return next(mount for mount in self.credvend["volumeMounts"] if mount["name"] == name)

    @property
    def token(self):
        return self.volume("credvend-token")["projected"]["sources"][0]["serviceAccountToken"]

    def drop_volume(self, name):
        self.pod["volumes"].remove(self.volume(name))
        self.credvend["volumeMounts"].remove(self.mount(name))
