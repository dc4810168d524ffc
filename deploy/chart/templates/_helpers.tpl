{{/* Labels of every object. Call with a dict of `root` and, if it is part of one, `component`. */}}
{{- define "bindery.labels" -}}
{{ include "bindery.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Labels of pods, by which Services, policies and Deployments select them. They never change. */}}
{{- define "bindery.selector" -}}
app.kubernetes.io/name: bindery
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* --- Addresses ----------------------------------------------------------------------------- */}}

{{- define "bindery.host" -}}
{{ required "Set `host` to the portal's host name." .Values.host }}
{{- end }}

{{- define "bindery.notebooksDomain" -}}
{{ .Values.notebooksDomain | default (printf "notebooks.%s" (include "bindery.host" .)) }}
{{- end }}

{{/* Both names without a port, as a list in JSON. */}}
{{- define "bindery.hostnames" -}}
{{- $portal := include "bindery.host" . | splitList ":" | first -}}
{{- $notebooks := include "bindery.notebooksDomain" . | splitList ":" | first -}}
{{ list $portal (printf "*.%s" $notebooks) | toJson }}
{{- end }}

{{- define "bindery.url" -}}
{{ ternary "https" "http" .Values.tls.enabled }}://{{ include "bindery.host" . }}
{{- end }}

{{/* For cert-manager: who issues the certificate. */}}
{{- define "bindery.issuer" -}}
{{- with .Values.tls.clusterIssuer }}
cert-manager.io/cluster-issuer: {{ . }}
{{- end }}
{{- with .Values.tls.issuer }}
cert-manager.io/issuer: {{ . }}
{{- end }}
{{- end }}

{{/* --- Images -------------------------------------------------------------------------------- */}}

{{- define "bindery.registry" -}}
{{ required "Set `registry.path` to host/path in your registry." .Values.registry.path }}
{{- end }}

{{/* An image's whole name. Call with a dict of `root`, `of` (its values) and `name` (its default). */}}
{{- define "bindery.imageName" -}}
{{- $tag := .of.tag | default .root.Chart.AppVersion -}}
{{ .of.repository | default (printf "%s/%s" (include "bindery.registry" .root) .name) }}
{{- ternary "@" ":" (hasPrefix "sha256:" $tag) }}{{ $tag }}
{{- end }}

{{- define "bindery.image" -}}
{{ include "bindery.imageName" (dict "root" . "of" .Values.image "name" "portal") }}
{{- end }}

{{/* Call with a dict of `root` and `prefix`. */}}
{{- define "bindery.pullSecrets" -}}
{{- $own := include "bindery.account" (dict "root" .root "prefix" .prefix "of" "pull") -}}
{{- $secrets := concat (ternary (list (dict "name" $own)) list (ne $own "")) .root.Values.imagePullSecrets -}}
{{- with $secrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* --- Secrets ------------------------------------------------------------------------------- */}}

{{/* Hooks run before the release has the objects that the chart makes from values. They use copies
     of those (hooks.yaml), whose names have a `prefix`; everywhere else, that is "". */}}

{{/* The Secret of an account of the registry; "" without one. Call with `root`, `prefix`, `of`. */}}
{{- define "bindery.account" -}}
{{- $account := index .root.Values.registry .of -}}
{{ $account.existingSecret | default (ternary (printf "%sregistry-%s" .prefix .of) "" (ne $account.username "")) }}
{{- end }}

{{/* The Secret with which the portal itself reaches the registry. Call with `root` and `prefix`. */}}
{{- define "bindery.registryLogin" -}}
{{- $cleanup := include "bindery.account" (dict "root" .root "prefix" .prefix "of" "cleanup") -}}
{{ $cleanup | default (include "bindery.account" (dict "root" .root "prefix" .prefix "of" "pull")) }}
{{- end }}

{{/* The Secret with a URL: yours, the chart's, or the embedded pair's. Call with `root` and `of`. */}}
{{- define "bindery.connection" -}}
{{- $given := index .root.Values .of -}}
{{- if $given.existingSecret -}}
{{ $given.existingSecret }}
{{- else if $given.url -}}
bindery-connections
{{- else if .root.Values.embedded.enabled -}}
bindery-embedded
{{- else -}}
{{ fail (printf "Set `%s.url` or `%s.existingSecret`. To try it out, set `embedded.enabled`." .of .of) }}
{{- end }}
{{- end }}

{{/* All Secrets whose keys are the portal's settings, as a list in JSON. */}}
{{- define "bindery.secrets" -}}
{{- $keys := .Values.keys.existingSecret | default "bindery-keys" -}}
{{- $database := include "bindery.connection" (dict "root" . "of" "database") -}}
{{- $redis := include "bindery.connection" (dict "root" . "of" "redis") -}}
{{ concat (list $keys $database $redis) .Values.settingsSecrets | uniq | toJson }}
{{- end }}

{{/* --- Settings ------------------------------------------------------------------------------ */}}

{{/* The portal's environment variables that are no secrets, as YAML. */}}
{{- define "bindery.settings" -}}
{{- $here := dict "root" . "prefix" "" -}}
{{- $login := include "bindery.registryLogin" $here -}}
{{- $own := dict
  "PORTAL_URL" (include "bindery.url" .)
  "PORTAL_GATEWAY_DOMAIN" (include "bindery.notebooksDomain" .)
  "PORTAL_BACKEND" "kubernetes"
  "PORTAL_TRUSTED_PROXIES" (join "," .Values.trustedProxies)
  "PORTAL_REGISTRY" (.Values.registry.environments | default (printf "%s/environments" (include "bindery.registry" .)))
  "PORTAL_REGISTRY_PLAIN_HTTP" (ternary "1" "0" .Values.registry.plainHTTP)
  "PORTAL_REGISTRY_AUTH_FILE" (ternary "" "/run/bindery/registry/config.json" (empty $login))
  "PORTAL_PUSH_SECRET" (include "bindery.account" (dict "root" . "prefix" "" "of" "push"))
  "PORTAL_PULL_SECRET" (include "bindery.account" (dict "root" . "prefix" "" "of" "pull"))
  "PORTAL_BASE_SECRET" (include "bindery.account" (dict "root" . "prefix" "" "of" "base"))
  "PORTAL_BUILDER_IMAGE" (include "bindery.imageName" (dict "root" . "of" .Values.builder "name" "builder"))
  "PORTAL_STORAGE_CLASS" .Values.storage.className
  "PORTAL_VOLUME_ACCESS" .Values.storage.accessMode
  "PORTAL_VOLUME_GB" (toString .Values.storage.sizeGB)
  "PORTAL_POD_TEMPLATE" (ternary "" "/run/bindery/pod-template/pod.yaml" (empty (include "bindery.podTemplate" .)))
  "PORTAL_CA_CONFIGMAP" .Values.caConfigMap
-}}
{{- if .Values.caConfigMap }}
{{- $_ := set $own "REQUESTS_CA_BUNDLE" "/run/bindery/ca/ca.crt" }}
{{- $_ := set $own "SSL_CERT_FILE" "/run/bindery/ca/ca.crt" }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if hasKey $own $name }}
{{- fail (printf "`settings.%s` is what the chart sets from another value." $name) }}
{{- end }}
{{- if regexMatch "^(DATABASE_URL|REDIS_URL|PORTAL_(SECRET_KEY.*|ENCRYPTION_KEYS|METRICS_TOKEN|NGINX_SECRET|ADMIN_PASSWORD|EMAIL_URL|REGISTRY_AUTH)|OIDC_.*SECRET)$" $name }}
{{- fail (printf "`settings.%s` is a secret: put it into a Secret, and name that in `settingsSecrets`." $name) }}
{{- end }}
{{- end }}
{{- range $name, $value := merge (dict) .Values.settings $own }}
{{- /* Helm reads whole numbers as fractions, which would become 3.1536e+07. */}}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}
{{- $value = int64 $value }}
{{- end }}
{{- if or (ne (toString $value) "") (hasKey $.Values.settings $name) }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The site's part of a notebook's pod, as YAML; "" for none. */}}
{{- define "bindery.podTemplate" -}}
{{- $given := deepCopy .Values.notebooks.podTemplate -}}
{{- if .Values.notebooks.pack -}}
{{- $same := dict "app.kubernetes.io/managed-by" "bindery" "bindery/kind" "server" -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $same) -}}
{{- $preferred := list (dict "weight" 100 "podAffinityTerm" $term) -}}
{{- $pod := dict "podAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred) -}}
{{- $given = merge $given (dict "spec" (dict "affinity" $pod)) -}}
{{- end -}}
{{- with $given }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* --- Parts of the portal's pods ------------------------------------------------------------ */}}

{{- define "bindery.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "bindery.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The next three are called with a dict of `root` and `prefix`. */}}

{{- define "bindery.environment" -}}
{{- $prefix := .prefix -}}
- configMapRef:
    name: {{ .prefix }}bindery-settings
{{- range include "bindery.secrets" .root | fromJsonArray }}
- secretRef:
    name: {{ ternary . (print $prefix .) (ne . "bindery-connections") }}
{{- end }}
{{- end }}

{{- define "bindery.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if include "bindery.registryLogin" . }}
- name: registry
  mountPath: /run/bindery/registry
  readOnly: true
{{- end }}
{{- if include "bindery.podTemplate" .root }}
- name: pod-template
  mountPath: /run/bindery/pod-template
  readOnly: true
{{- end }}
{{- if .root.Values.caConfigMap }}
- name: ca
  mountPath: /run/bindery/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "bindery.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- with include "bindery.registryLogin" . }}
- name: registry
  secret:
    secretName: {{ . }}
    optional: true
    items:
      - key: .dockerconfigjson
        path: config.json
{{- end }}
{{- if include "bindery.podTemplate" .root }}
- name: pod-template
  configMap:
    name: {{ .prefix }}bindery-pod-template
{{- end }}
{{- with .root.Values.caConfigMap }}
- name: ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}

{{/* Where the portal's pods run. */}}
{{- define "bindery.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread the replicas. Call with a dict of `component`. */}}
{{- define "bindery.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "bindery.selector" . | nindent 6 }}
{{- end }}

{{/* A container that ends when the settings are valid and the database has this version's tables.
     Until then the pod is not ready: a rollout waits, and the pods before it go on. Call with a dict
     of `root` and `resources`. */}}
{{- define "bindery.waitForDatabase" -}}
{{- $here := dict "root" .root "prefix" "" -}}
- name: wait-for-database
  image: {{ include "bindery.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  # The first command names any invalid setting.
  command:
    - sh
    - -c
    - |
      python manage.py check || exit 1
      until why=$(python manage.py migrate --check 2>&1); do
        echo "Waiting for the database, and for the Job that migrates it."
        echo "$why" | tail -n 1
        sleep 3
      done
  envFrom:
    {{- include "bindery.environment" $here | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- include "bindery.containerSecurity" . | nindent 4 }}
  volumeMounts:
    {{- include "bindery.mounts" $here | nindent 4 }}
{{- end }}
