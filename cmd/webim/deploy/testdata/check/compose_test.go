package check

import (
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestCompose reads the compose file strictly, as far as it goes, and has webim look at its settings. What it builds is the
// Dockerfile beside it, and it waits longer for webim to stop than webim takes.
func TestCompose(t *testing.T) {
	type service struct {
		Image       string            `json:"image"`
		Build       map[string]string `json:"build"`
		Command     []string          `json:"command"`
		Environment map[string]string `json:"environment"`
		Ports       []string          `json:"ports"`
		Volumes     []string          `json:"volumes"`
		DependsOn   map[string]struct {
			Condition string `json:"condition"`
		} `json:"depends_on"`
		Healthcheck     map[string]any `json:"healthcheck"`
		ReadOnly        bool           `json:"read_only"`
		CapDrop         []string       `json:"cap_drop"`
		SecurityOpt     []string       `json:"security_opt"`
		Ulimits         map[string]int `json:"ulimits"`
		StopGracePeriod string         `json:"stop_grace_period"`
		Restart         string         `json:"restart"`
	}
	var file struct {
		Services map[string]service `json:"services"`
		Volumes  map[string]any     `json:"volumes"`
	}
	text, err := os.ReadFile("../../compose.yaml")
	if err == nil {
		err = yaml.UnmarshalStrict(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	webim, nats := file.Services["webim"], file.Services["nats"]
	if webim.DependsOn["nats"].Condition != "service_healthy" || nats.Healthcheck == nil || !strings.Contains(strings.Join(nats.Command, " "), "--jetstream") {
		t.Errorf("webim does not wait for a NATS server with JetStream: %+v, %+v", webim, nats)
	}
	if _, err := os.Stat("../../" + webim.Build["context"] + "/" + webim.Build["dockerfile"]); err != nil {
		t.Error(err)
	}
	for _, v := range nats.Volumes {
		name, _, _ := strings.Cut(v, ":")
		if _, ok := file.Volumes[name]; !ok {
			t.Errorf("there is no volume %s", name)
		}
	}
	grace, err := time.ParseDuration(webim.StopGracePeriod)
	takes, err2 := time.ParseDuration(webim.Environment["WEBIM_SHUTDOWN_TIMEOUT"])
	if err != nil || err2 != nil || grace < takes+10*time.Second {
		t.Errorf("webim has %v to end, and needs %v", grace, takes)
	}
	env := []corev1.EnvVar{{Name: "WEBIM_LISTEN", Value: ":9501"}} // of the image
	for name, value := range webim.Environment {
		if strings.HasPrefix(value, "${WEBIM_TOKEN_SECRET:?") {
			value = strings.Repeat("x", 32)
		}
		env = append(env, corev1.EnvVar{Name: name, Value: value})
	}
	checkSettings(t, env)
}
