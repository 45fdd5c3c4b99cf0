{{/*
The labels of an object, except of the policies: those are the same as with kustomize. Arguments: the root context and labels from the
values, which take precedence.
*/}}
{{- define "credvend.labels" -}}
{{- $root := index . 0 }}
{{- $own := dict "app.kubernetes.io/name" "credvend" "app.kubernetes.io/instance" $root.Release.Name "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- toYaml (merge (dict) (index . 1 | default dict) $own) }}
{{- end }}

{{/* The name of the image with its tag or digest. */}}
{{- define "credvend.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The defaults of the policies: a JSON object of strings. The policies treat an empty value as absent. */}}
{{- define "credvend.defaults" -}}
{{- $defaults := dict "image" (include "credvend.image" .) }}
{{- range $name, $value := .Values.defaults }}
{{- /* YAML numbers are floating-point numbers, which toString would write with an exponent. */}}
{{- $text := kindIs "float64" $value | ternary (int64 $value) $value | toString }}
{{- if not (has $text (list "" "0")) }}
{{- $_ := set $defaults $name $text }}
{{- end }}
{{- end }}
{{- toRawJson $defaults }}
{{- end }}

{{/* Fails if the defaults contradict each other. The schema checks each of them. */}}
{{- define "credvend.checkDefaults" -}}
{{- with .Values.defaults }}
{{- $adminPort := int64 (index . "admin-port") }}
{{- if and $adminPort (eq (int64 .port) $adminPort) }}
{{- fail (printf "defaults.admin-port: %d is also the port of the credentials endpoint; set defaults.admin-port or defaults.port to another port" $adminPort) }}
{{- end }}
{{- $seconds := add
  (regexFind "[0-9]+h" (.duration | default "") | trimSuffix "h" | int | mul 3600)
  (regexFind "[0-9]+m" (.duration | default "") | trimSuffix "m" | int | mul 60)
  (regexFind "[0-9]+s?$" (.duration | default "") | trimSuffix "s" | int) }}
{{- if and .duration (or (lt $seconds 900) (gt $seconds 43200)) }}
{{- fail (printf "defaults.duration: %q is not a session duration; use seconds or a value such as 15m, 1h or 1h30m, from 900 s to 12 h" .duration) }}
{{- end }}
{{- if hasPrefix "cpu=" (.resources | default "") }}
{{- $memory := regexFind "[0-9]+[kMGKi]*$" .resources }}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 }}
{{- $bytes := mul (regexFind "^[0-9]+" $memory | int64) (get $units (regexFind "[kMGKi]*$" $memory)) }}
{{- if or (lt $bytes 8388608) (not (regexMatch "[1-9]" (splitList "," .resources | first))) }}
{{- fail (printf "defaults.resources: %q cannot be the resources of credvend; use small, or a value such as cpu=50m,memory=32Mi with at least 8Mi of memory" .resources) }}
{{- end }}
{{- end }}
{{- if and (index . "sts-endpoint-url") (index . "sts-fallback-regions") }}
{{- fail "defaults.sts-fallback-regions: other regions cannot replace the STS of defaults.sts-endpoint-url; remove one of the two" }}
{{- end }}
{{- end }}
{{- end }}

{{/* A file of policies with the defaults in place of those in the file. Arguments: the root context and the file. */}}
{{- define "credvend.policy" -}}
{{- $root := index . 0 }}
{{- $source := $root.Files.Get (index . 1) }}
{{- $variable := "- name: defaults\n      expression: >-\n        " }}
{{- if not (contains $variable $source) }}
{{- fail (printf "%s has no variable `defaults`; the chart is incomplete" (index . 1)) }}
{{- end }}
{{- regexReplaceAllLiteral (printf "%s.*" $variable) $source (printf "%s%s" $variable (include "credvend.defaults" $root)) }}
{{- end }}

{{/* The version of a kind of Kyverno that the cluster has. Arguments: the root context and the kind. */}}
{{- define "credvend.kyvernoVersion" -}}
{{- $root := index . 0 }}
{{- $kind := index . 1 }}
{{- $found := "" }}
{{- range list "policies.kyverno.io/v1alpha1" "policies.kyverno.io/v1beta1" "policies.kyverno.io/v1" }}
{{- if $root.Capabilities.APIVersions.Has (printf "%s/%s" . $kind) }}
{{- $found = . }}
{{- end }}
{{- end }}
{{- if not $found }}
{{- fail (printf "injection.engine is kyverno, but the cluster has no %s of Kyverno; install Kyverno 1.15 or later first, or set injection.engine to admission on Kubernetes 1.36 or later. If you render the chart without a cluster, add --api-versions policies.kyverno.io/v1/MutatingPolicy --api-versions policies.kyverno.io/v1/ValidatingPolicy" $kind) }}
{{- end }}
{{- $found }}
{{- end }}
