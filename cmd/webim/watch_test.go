package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"webim/cmd/webim/internal/metrics"
	"webim/netpoll/wstest"
)

// TestOperatorPaths checks at which addresses the paths for operators are served, and which keys open
// them.
func TestOperatorPaths(t *testing.T) {
	const full, scraper = "0123456789abcdef", "fedcba9876543210"
	file := write(t, "key", scraper+"\n")
	keys := "--api-key " + full + " --api-key-file prom=" + file + " --api-key-rights prom=metrics"
	for _, c := range []struct {
		flags                                 string
		nobody, byFull, byScraper, profiledBy int // status inside: of /metrics, and of profiles with the full key
	}{
		{"--internal 127.0.0.1:0 " + keys, 401, 200, 200, 200},
		{"--internal 127.0.0.1:0 --metrics-open " + keys, 200, 200, 200, 200},
		{"--internal 127.0.0.1:0 --metrics-open", 200, 200, 200, 401},
	} {
		p := startProgram(t, append(strings.Fields(c.flags), "--listen", "127.0.0.1:0", "--open", "--api-host", "x.example", "--shutdown-spread", "0s")...)
		for key, want := range map[string]int{"": c.nobody, full: c.byFull, scraper: c.byScraper} {
			status, body := ask(t, p.inner.addr, "GET", "/metrics", key, "")
			if status != want || (status == 200) != strings.Contains(body, "\nwebim_ready 1\n") {
				t.Errorf("%s: /metrics with the key %q: %d, want %d\n%s", c.flags, key, status, want, body)
			}
		}
		if status, _ := ask(t, p.inner.addr, "GET", "/debug/pprof/heap", full, ""); status != c.profiledBy {
			t.Errorf("%s: a profile: %d, want %d", c.flags, status, c.profiledBy)
		}
		for _, path := range []string{"/metrics", "/debug/pprof/"} {
			if status, _ := ask(t, p.plain[0], "GET", path, full, ""); status != 404 {
				t.Errorf("%s: %s on the clients' address: %d", c.flags, path, status)
			}
		}
		if status, body := ask(t, p.plain[0], "GET", "/ready", "", ""); status != 200 || body != `{"ready":true,"reasons":[]}`+"\n" {
			t.Errorf("/ready: %d %q", status, body)
		}
	}
}

// shownMetrics returns what a node with TLS and hooks answers to a scrape.
func shownMetrics(t *testing.T) string {
	t.Helper()
	p := startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--metrics-open",
		"--hook-publish", "http://127.0.0.1:1/", "--hook-disconnect", "http://127.0.0.1:1/")
	status, body := ask(t, p.inner.addr, "GET", "/metrics", "", "")
	if status != 200 {
		t.Fatalf("/metrics: %d %s", status, body)
	}
	return body
}

var (
	metricName = regexp.MustCompile(`\b(?:webim|go|process)_[a-z0-9_]+\b`)
	matcher    = regexp.MustCompile(`\b((?:webim|go|process)_[a-z0-9_]+)\{([^}]*)\}`)
	oneMatch   = regexp.MustCompile(`([a-z_]+)=~?"([a-z_|]+)"`)
)

// deployed has the expressions of the files for Prometheus and Grafana.
func deployed(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	text, err := os.ReadFile("deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			all["alerts.yaml"] = append(all["alerts.yaml"], r.Expr)
			if severity := r.Labels["severity"]; severity != "page" && severity != "ticket" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("the rule %s has no severity, summary or description", r.Alert)
			}
		}
	}
	if text, err = os.ReadFile("deploy/grafana.json"); err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all["grafana.json"] = append(all["grafana.json"], target.Expr)
		}
	}
	return all
}

// TestDeployedMetricsExist checks that /metrics shows each metric, and each value of a label, that the
// dashboard and the alert rules name, and that the dashboard shows each metric of webim.
func TestDeployedMetricsExist(t *testing.T) {
	body := shownMetrics(t)
	all := deployed(t)
	used := map[string]bool{}
	for file, expressions := range all {
		if len(expressions) < 10 {
			t.Errorf("%s has only %d expressions", file, len(expressions))
		}
		for _, expr := range expressions {
			for _, name := range metricName.FindAllString(expr, -1) {
				if !strings.Contains(body, "\n"+name+" ") && !strings.Contains(body, "\n"+name+"{") {
					t.Errorf("%s: /metrics has no %s", file, name)
				}
				if file == "grafana.json" {
					used[strings.TrimSuffix(name, "_bucket")] = true
				}
			}
			for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
				for _, one := range oneMatch.FindAllStringSubmatch(m[2], -1) {
					for value := range strings.SplitSeq(one[2], "|") {
						if one[1] != "job" && one[1] != "instance" && !regexp.MustCompile(`(?m)^`+m[1]+`\{.*\b`+one[1]+`="`+value+`"`).MatchString(body) {
							t.Errorf("%s: no series of %s has %s=%q", file, m[1], one[1], value)
						}
					}
				}
			}
		}
	}
	for _, f := range metrics.Families() {
		if !used[f.Name] {
			t.Errorf("the dashboard does not show %s", f.Name)
		}
	}
}

// TestAlertRules checks the rules by Prometheus' own parser, and by their unit tests.
func TestAlertRules(t *testing.T) {
	if !wstest.Long() {
		return // make test-long installs promtool
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = "deploy"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestManualHasAllMetrics compares the table of the manual with the metrics.
func TestManualHasAllMetrics(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range metrics.Families() {
		labels := "`" + strings.Join(f.Labels, "`, `") + "`"
		if len(f.Labels) == 0 {
			labels = ""
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", f.Name, f.Kind, labels, linked(f.Help, nil))
	}
	compareManual(t, "watching.md", "metrics", rows.String())
	text, err := os.ReadFile(filepath.Join(manualFolder, "watching.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metricName.FindAllString(string(text), -1) {
		if strings.HasPrefix(name, "webim_") && !slices.ContainsFunc(metrics.Families(), func(f *metrics.Family) bool { return f.Name == name }) {
			t.Errorf("watching.md names %s, which does not exist", name)
		}
	}
}
