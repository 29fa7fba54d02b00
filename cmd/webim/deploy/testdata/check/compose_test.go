package check

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// composed reads the compose file as docker compose does, with these variables.
func composed(t *testing.T, env types.Mapping) (*types.Project, error) {
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: "../..", ConfigFiles: []types.ConfigFile{{Filename: "../../compose.yaml"}}, Environment: env,
	}, func(o *loader.Options) { o.SetProjectName("webim", true) })
}

// TestCompose has Compose's own parser read the compose file, and webim look at its settings. What it builds is the Dockerfile
// beside it, and it waits longer for webim to stop than webim takes.
func TestCompose(t *testing.T) {
	if _, err := composed(t, nil); err == nil || !strings.Contains(err.Error(), "set it to 32 random bytes, as openssl rand -hex 32 prints") {
		t.Errorf("without a secret: %v", err)
	}
	secret := strings.Repeat("x", 32)
	project, err := composed(t, types.Mapping{"WEBIM_TOKEN_SECRET": secret})
	if err != nil {
		t.Fatal(err)
	}
	webim, nats := project.Services["webim"], project.Services["nats"]
	if webim.DependsOn["nats"].Condition != types.ServiceConditionHealthy || nats.HealthCheck == nil || !strings.Contains(strings.Join(nats.Command, " "), "--jetstream") {
		t.Errorf("webim does not wait for a NATS server with JetStream: %+v, %+v", webim, nats)
	}
	if _, err := os.Stat(webim.Build.Context + "/" + webim.Build.Dockerfile); err != nil {
		t.Error(err)
	}
	if len(nats.Volumes) != 1 || nats.Volumes[0].Type != types.VolumeTypeVolume {
		t.Errorf("NATS keeps its messages in %+v", nats.Volumes)
	}
	if len(webim.Ports) != 1 || webim.Ports[0].Target != 9501 || webim.Ports[0].Published != "9501" {
		t.Errorf("webim is reached by %+v", webim.Ports)
	}
	takes, err := time.ParseDuration(*webim.Environment["WEBIM_SHUTDOWN_TIMEOUT"])
	if err != nil || time.Duration(*webim.StopGracePeriod) < takes+10*time.Second {
		t.Errorf("webim has %v to end, and needs %v", webim.StopGracePeriod, takes)
	}
	env := []corev1.EnvVar{{Name: "WEBIM_LISTEN", Value: ":9501"}} // of the image
	for name, value := range webim.Environment {
		env = append(env, corev1.EnvVar{Name: name, Value: *value})
	}
	checkSettings(t, env)
}
