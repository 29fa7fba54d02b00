package check

import (
	"flag"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write kubernetes/webim.yaml")

const chartFolder = "../../helm"

// secrets are values without which there is no chart.
var secrets = map[string]any{"tokenSecret": strings.Repeat("t", 32), "apiKey": strings.Repeat("a", 32)}

// objects are the manifests of a chart, decoded.
type objects struct {
	deployment *appsv1.Deployment
	services   []*corev1.Service
	secret     *corev1.Secret
	account    *corev1.ServiceAccount
	budget     *policyv1.PodDisruptionBudget
	ingress    *networkingv1.Ingress
}

// comment is a line at the beginning of a file.
var comment = regexp.MustCompile(`\A(#.*\n?)+`)

// render renders the chart as helm template does, sorted by the names of files.
func render(values map[string]any) (string, error) {
	c, err := loader.Load(chartFolder)
	if err != nil {
		return "", err
	}
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "webim", Namespace: "default", Revision: 1, IsInstall: true}, nil)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return "", err
	}
	var names []string
	for name := range files {
		if path.Ext(name) == ".yaml" && strings.TrimSpace(files[name]) != "" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		b.WriteString("---\n" + strings.TrimSpace(files[name]) + "\n")
	}
	return b.String(), nil
}

// decode decodes manifests: a field that the API does not have, or has twice, is an error.
func decode(t *testing.T, text string) (o objects) {
	t.Helper()
	for _, doc := range strings.Split(text, "\n---\n") {
		doc = strings.TrimPrefix(doc, "---\n")
		if doc = comment.ReplaceAllString(doc, ""); doc == "" {
			continue
		}
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatal(err)
		}
		var into any
		switch kind.Kind {
		case "Deployment":
			o.deployment = &appsv1.Deployment{}
			into = o.deployment
		case "Service":
			s := &corev1.Service{}
			o.services = append(o.services, s)
			into = s
		case "Secret":
			o.secret = &corev1.Secret{}
			into = o.secret
		case "ServiceAccount":
			o.account = &corev1.ServiceAccount{}
			into = o.account
		case "PodDisruptionBudget":
			o.budget = &policyv1.PodDisruptionBudget{}
			into = o.budget
		case "Ingress":
			o.ingress = &networkingv1.Ingress{}
			into = o.ingress
		default:
			t.Fatalf("the kind %q is not known:\n%s", kind.Kind, doc)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			t.Errorf("%s: %v\n%s", kind.Kind, err, doc)
		}
	}
	return o
}

// TestChartLint has helm lint look at the chart: a warning is an error.
func TestChartLint(t *testing.T) {
	for _, m := range lint.RunAll(chartFolder, secrets, "default").Messages {
		if m.Severity > support.InfoSev {
			t.Errorf("%s: %v", m.Path, m.Err)
		}
	}
}

// TestChart renders the chart with different values, decodes all of it strictly, and checks what belongs together.
func TestChart(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"the defaults":      {},
		"another's secrets": {"existingSecret": "mine"},
		"with an ingress":   {"ingress": map[string]any{"enabled": true, "className": "nginx", "tlsSecret": "tls", "host": "chat.example.org"}},
		"with settings": {"settings": map[string]any{"MAX_CONNS_PER_IP": "2000", "OPEN": "true"}, "replicas": 1, "natsReplicas": 1,
			"podAnnotations": map[string]any{"a": "b"}, "imagePullSecrets": []any{map[string]any{"name": "x"}},
			"tolerations": []any{map[string]any{"key": "k", "operator": "Exists"}}, "nodeSelector": map[string]any{"disk": "ssd"},
			"affinity": map[string]any{"nodeAffinity": map[string]any{}}},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]any{}
			for k, v := range values {
				all[k] = v
			}
			if values["existingSecret"] == nil {
				for k, v := range secrets {
					all[k] = v
				}
			}
			text, err := render(all)
			if err != nil {
				t.Fatal(err)
			}
			o := decode(t, text)
			checkObjects(t, o)
			checkSettings(t, o.deployment.Spec.Template.Spec.Containers[0].Env)
			if (o.ingress != nil) != (values["ingress"] != nil) || (o.secret != nil) != (values["existingSecret"] == nil) {
				t.Errorf("an ingress or a secret too much or too little:\n%s", text)
			}
		})
	}
}

// TestChartRefuses: without secrets and with wrong values there is no chart, and the error says what to do.
func TestChartRefuses(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"set tokenSecret to 32 random bytes": {},
		"set apiKey to 16 random bytes":      {"tokenSecret": "x"},
		"additional properties 'replica'":    {"existingSecret": "x", "replica": 2},
		"minimum: got 0, want 1":             {"existingSecret": "x", "replicas": 0},
		"does not match pattern":             {"existingSecret": "x", "nats": []any{"http://nats"}},
	} {
		if text, err := render(values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q\n%s", values, err, want, text)
		}
	}
}

// TestManifests compares the manifests for those who do not use Helm with the chart; -update writes them.
func TestManifests(t *testing.T) {
	text, err := render(map[string]any{"existingSecret": "webim"})
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "    app.kubernetes.io/managed-by: Helm\n", "")
	text = `# webim in Kubernetes, made from the Helm chart beside it (helm/): see "Kubernetes" in the manual. First make its secrets:
#
#   kubectl create secret generic webim --from-literal=token-secret=$(openssl rand -hex 32) --from-literal=api-key=$(openssl rand -hex 16)
#   kubectl apply -f webim.yaml
` + text
	const file = "../../kubernetes/webim.yaml"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(file); string(b) != text {
		t.Errorf("%s differs from the chart, %v: run go test -run TestManifests . -update in cmd/webim/deploy/testdata/check", file, err)
	}
	o := decode(t, text)
	checkObjects(t, o)
	checkSettings(t, o.deployment.Spec.Template.Spec.Containers[0].Env)
}

// checkObjects checks probes, the end of a pod, the budget, and references between objects.
func checkObjects(t *testing.T, o objects) {
	t.Helper()
	pod := o.deployment.Spec.Template
	c := pod.Spec.Containers[0]
	labels := pod.Labels
	matches := func(what string, selector map[string]string) {
		t.Helper()
		for k, v := range selector {
			if labels[k] != v {
				t.Errorf("%s selects %s=%s, and the pods have %v", what, k, v, labels)
			}
		}
		if len(selector) == 0 {
			t.Errorf("%s selects nothing", what)
		}
	}
	matches("the deployment", o.deployment.Spec.Selector.MatchLabels)
	matches("the budget", o.budget.Spec.Selector.MatchLabels)
	for _, s := range o.services {
		matches("a service", s.Spec.Selector)
		port := s.Spec.Ports[0].TargetPort.StrVal
		if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
			t.Errorf("the service %s leads to the port %q, which the pod does not have", s.Name, port)
		}
	}
	if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/ready" || c.StartupProbe == nil || c.LivenessProbe == nil {
		t.Errorf("probes are missing: %+v", c)
	}
	if o.budget.Spec.MaxUnavailable == nil && o.budget.Spec.MinAvailable == nil {
		t.Error("the budget has no limit")
	}
	var takes time.Duration
	for _, e := range c.Env {
		if e.Name == "WEBIM_DRAIN_DELAY" || e.Name == "WEBIM_SHUTDOWN_TIMEOUT" {
			d, err := time.ParseDuration(e.Value)
			if err != nil {
				t.Error(err)
			}
			takes += d
		}
	}
	if grace := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second; grace < takes+5*time.Second {
		t.Errorf("a pod has %v to end, and needs %v", grace, takes)
	}
	if s := pod.Spec.SecurityContext; s == nil || !*s.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem {
		t.Error("it runs as root, or may write to the image")
	}
	if o.account.Name != pod.Spec.ServiceAccountName {
		t.Errorf("the account is %s, and the pods have %s", o.account.Name, pod.Spec.ServiceAccountName)
	}
	if o.secret != nil {
		for _, key := range []string{"token-secret", "api-key"} {
			if o.secret.StringData[key] == "" || o.secret.Name != pod.Spec.Volumes[0].Secret.SecretName {
				t.Errorf("the secret %s has no %s, or is not that of the pods", o.secret.Name, key)
			}
		}
	}
}

// checkSettings has webim look at the variables of a pod: each is a setting, and they fit together.
func checkSettings(t *testing.T, env []corev1.EnvVar) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"token-secret", "api-key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(webim(t), "check")
	for _, e := range env {
		cmd.Env = append(cmd.Env, e.Name+"="+strings.ReplaceAll(e.Value, "/etc/webim/", dir+"/"))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("webim check: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "# warning") && !strings.Contains(line, "nats") && !strings.Contains(line, ":9500") && !strings.Contains(line, "open is set") { // there is no such server here
			t.Errorf("webim check: %s", line)
		}
	}
}
