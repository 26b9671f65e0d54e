{{- define "taugrid.labels" -}}
app.kubernetes.io/name: taugrid
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "taugrid.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "taugrid.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "taugrid.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "taugrid.dns" -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: kube-system}
- ipBlock: {cidr: 169.254.20.10/32}
{{- end }}

{{/* The pod of a worker, in a Deployment or in a Job. */}}
{{- define "taugrid.worker" -}}
metadata:
  labels: {{- include "taugrid.labels" "worker" | nindent 4 }}
spec:
  {{- if eq .Values.workers.kind "Job" }}
  restartPolicy: Never
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if .Values.priorityClass }}
  priorityClassName: taugrid-worker
  {{- end }}
  terminationGracePeriodSeconds: 40
  {{- with .Values.workers.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {{- include "taugrid.podSecurity" . | nindent 4 }}
  containers:
    - name: worker
      image: {{ include "taugrid.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [taugrid-worker]
      args:
        - --coordinator=https://taugrid-coordinator:7000
        - --tls-ca=/tls/ca.crt
        - --tls-cert=/tls/tls.crt
        - --tls-key=/tls/tls.key
        - --name=$(POD)
        - --threads=$(THREADS)
        - --cache=/cache
        - --grace=25
        {{- if ne .Values.workers.kind "Job" }}
        - --stay
        {{- end }}
      env:
        - name: POD
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: THREADS
          valueFrom: {resourceFieldRef: {containerName: worker, resource: requests.cpu}}
      resources:
        requests: {cpu: {{ .Values.workers.cpu | quote }}, memory: {{ .Values.workers.memory }}}
        limits: {memory: {{ .Values.workers.memory }}}
      securityContext: {{- include "taugrid.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: cache, mountPath: /cache}
        - {name: tls, mountPath: /tls, readOnly: true}
  volumes:
    - name: cache
      emptyDir: {sizeLimit: {{ .Values.workers.cache }}}
    - name: tls
      secret: {secretName: {{ .Values.tls.workerSecret }}, defaultMode: 0440}
{{- end }}
