package check

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerfile returns the stages of the Dockerfile. A warning is an error.
func dockerfile() ([]instructions.Stage, error) {
	f, err := os.Open("../../Dockerfile")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		return nil, err
	}
	if len(parsed.Warnings) > 0 {
		return nil, fmt.Errorf("the Dockerfile: %v", parsed.Warnings)
	}
	var found []string
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, text string, _ []parser.Range) { found = append(found, rule+": "+text) }})
	stages, _, err := instructions.Parse(parsed.AST, lint)
	if err == nil && len(found) > 0 {
		err = errors.New(strings.Join(found, "\n"))
	}
	return stages, err
}

// buildCommand returns the command that builds the program.
func buildCommand(stages []instructions.Stage) string {
	for _, c := range stages[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok && strings.Contains(run.CmdLine[0], "go build") {
			return run.CmdLine[0]
		}
	}
	return "false"
}

// image builds the last stage of the Dockerfile around a program, as Docker would.
func image(t *testing.T, stages []instructions.Stage, program string) v1.Image {
	t.Helper()
	if last := stages[len(stages)-1]; last.BaseName != "scratch" {
		t.Fatalf("the image is made from %q", last.BaseName)
	}
	img, cfg := empty.Image, v1.Config{}
	for _, c := range stages[len(stages)-1].Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return layerOf(c, program) })
			if err != nil {
				t.Fatal(err)
			}
			if img, err = mutate.AppendLayers(img, layer); err != nil {
				t.Fatal(err)
			}
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				cfg.Env = append(cfg.Env, pair.Key+"="+pair.Value)
			}
		case *instructions.UserCommand:
			cfg.User = c.User
		case *instructions.VolumeCommand:
			cfg.Volumes = map[string]struct{}{c.Volumes[0]: {}}
		case *instructions.ExposeCommand:
			cfg.ExposedPorts = map[string]struct{}{c.Ports[0] + "/tcp": {}}
		case *instructions.StopSignalCommand:
			cfg.StopSignal = c.Signal
		case *instructions.HealthCheckCommand:
			cfg.Healthcheck = &v1.HealthConfig{Test: c.Health.Test, Interval: c.Health.Interval, Timeout: c.Health.Timeout, StartPeriod: c.Health.StartPeriod, Retries: c.Health.Retries}
		case *instructions.EntrypointCommand:
			cfg.Entrypoint = c.CmdLine
		case *instructions.CmdCommand:
			cfg.Cmd = c.CmdLine
		default:
			t.Fatalf("the image has %s, which this test does not know", c.Name())
		}
	}
	img, err := mutate.Config(img, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// layerOf returns the layer of a COPY: of the program, the certificates or the folder of messages.
func layerOf(c *instructions.CopyCommand, program string) (io.ReadCloser, error) {
	h := &tar.Header{Name: strings.TrimPrefix(c.DestPath, "/"), Mode: 0o644, Typeflag: tar.TypeReg}
	content := []byte("no certificates\n")
	switch c.SourcePaths[0] {
	case "/out/webim":
		var err error
		if content, err = os.ReadFile(program); err != nil {
			return nil, err
		}
		h.Mode = 0o755
	case "/out/data":
		h.Mode, h.Typeflag, content = 0o700, tar.TypeDir, nil
	case "/etc/ssl/certs/ca-certificates.crt":
	default:
		return nil, fmt.Errorf("the image copies %q, which this test does not know", c.SourcePaths)
	}
	if c.Chown != "" {
		uid, gid, _ := strings.Cut(c.Chown, ":")
		h.Uid, _ = strconv.Atoi(uid)
		h.Gid, _ = strconv.Atoi(gid)
	}
	h.Size = int64(len(content))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(h), second(w.Write(content)), w.Close()); err != nil {
		return nil, err
	}
	return io.NopCloser(&b), nil
}

func second(_ int, err error) error { return err }

// TestImage builds the image from scratch, twice with one digest. Unpacked, it serves as its user in a chroot, and its own
// health check finds it healthy.
func TestImage(t *testing.T) {
	stages, err := dockerfile()
	if err != nil {
		t.Fatal(err)
	}
	img := image(t, stages, webim(t))
	again, err := buildAs(t.TempDir(), "another")
	if err != nil {
		t.Fatal(err)
	}
	first, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := image(t, stages, again).Digest(); other != first || err != nil {
		t.Errorf("the second image has the digest %v, and the first %v, %v", other, first, err)
	}
	size, _ := img.Size()
	layers, _ := img.Layers()
	for _, l := range layers {
		n, _ := l.Size()
		size += n
	}
	t.Logf("%v: %d MB compressed", first, size>>20)
	if size > 40<<20 {
		t.Errorf("the image has %d MB", size>>20)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.Healthcheck == nil || config.Config.User == "" || strings.HasPrefix(config.Config.User, "0") {
		t.Fatalf("the image has no health check, or runs as root: %+v", config.Config)
	}
	runImage(t, img, config.Config)
}

// runImage unpacks an image, and runs it as a container's runtime would, without its namespaces.
func runImage(t *testing.T, img v1.Image, cfg v1.Config) {
	if os.Geteuid() != 0 {
		t.Fatal("running the image needs root, for chroot: run this test as root")
	}
	folder := unpack(t, img)
	mountProc(t, filepath.Join(folder, "proc"))
	uid, _ := strconv.Atoi(strings.Split(cfg.User, ":")[0])
	listen, internal := freeAddr(t), freeAddr(t)
	env := append(slices.Clone(cfg.Env), "WEBIM_LISTEN="+listen, "WEBIM_INTERNAL="+internal, "WEBIM_TOKEN_SECRET=0123456789abcdef0123456789abcdef", "WEBIM_SHUTDOWN_SPREAD=0s", "WEBIM_DRAIN_DELAY=0s")
	command := func(args []string) *exec.Cmd {
		return &exec.Cmd{Path: args[0], Args: args, Env: env, Dir: "/", SysProcAttr: &syscall.SysProcAttr{
			Chroot: folder, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: false},
		}}
	}
	server := command(append(slices.Clone(cfg.Entrypoint), cfg.Cmd...))
	start(t, server)
	var said []byte
	eventually(t, "the health check succeeds", func() bool {
		var err error
		said, err = command(cfg.Healthcheck.Test[1:]).CombinedOutput()
		return err == nil
	})
	if string(said) != "ok\n" {
		t.Errorf("the health check says %q", said)
	}
	if r, err := http.Get("http://" + listen + "/"); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("the page: %v, %v", r, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.Process.Pid))
	if err != nil || !strings.Contains(string(status), fmt.Sprintf("Uid:\t%d\t%d\t", uid, uid)) {
		t.Errorf("it does not run as %d: %v\n%s", uid, err, status)
	}
	if entries, err := os.ReadDir(filepath.Join(folder, "var/lib/webim")); err != nil || len(entries) == 0 {
		t.Errorf("it has stored nothing: %v", err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// mountProc shows /proc there, as each runtime of containers does.
func mountProc(t *testing.T, folder string) {
	t.Helper()
	if err := errors.Join(os.Mkdir(folder, 0o755), syscall.Mount("/proc", folder, "", syscall.MS_BIND|syscall.MS_REC, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// unpack writes the files of an image to a folder.
func unpack(t *testing.T, img v1.Image) string {
	t.Helper()
	folder := t.TempDir()
	for dir := folder; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) { // its user must get there
		_ = os.Chmod(dir, 0o755)
	}
	files := mutate.Extract(img)
	defer files.Close()
	r := tar.NewReader(files)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, os.FileMode(h.Mode))
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, b, os.FileMode(h.Mode))
			}
		}
		if err = errors.Join(err, os.Chown(path, h.Uid, h.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}
