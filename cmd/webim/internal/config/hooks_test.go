package config

import (
	"strings"
	"testing"
)

func TestHookSettings(t *testing.T) {
	short, long, empty := write(t, "short", "a secret"), write(t, "long", longSecret), write(t, "empty", "\n")
	judge := func(flags string) error {
		t.Helper()
		command, given := parseFlags(t, strings.Fields(flags)...)
		c, err := Load(&command.Settings, given, nil, "")
		if err == nil {
			_, err = c.hookSecret()
		}
		return err
	}
	const rpc = "--hook-rpc https://backend.example/ "
	for _, c := range []struct{ flags, want string }{
		{"--hook-connect https://backend.example/connect --hook-refresh https://backend.example/refresh", ""},
		{"--hook-connect http://127.0.0.1:1/ --hook-subscribe http://[::1]:1/ --hook-publish http://localhost/", ""},
		{"--hook-connect http://backend.example/", "--hook-connect: http://backend.example/ would send users' messages unencrypted"},
		{"--hook-connect http://backend.example/ --insecure", ""},
		{"--hook-publish backend.example/publish", `--hook-publish: "backend.example/publish" is not a URL`},
		{"--hook-rpc ftp://backend.example/", "is not a URL"},
		{"--hook-rpc https://user:pass@backend.example/", "is not a URL"},
		{"--hook-rpc https://backend.example/#part", "is not a URL"},
		{"--hook-disconnect https://", "is not a URL"},
		{"--hook-refresh https://backend.example/", "--hook-refresh has no effect without --hook-connect"},
		{"--hook-rpc https://backend.example/ --hook-connect https://backend.example/ --hook-open rpc --hook-open connect", ""},
		{"--hook-rpc https://backend.example/ --hook-open all", `--hook-open: "all" is unknown: write connect, subscribe, publish or rpc`},
		{"--hook-rpc https://backend.example/ --hook-open refresh", "is unknown"},
		{rpc + "--hook-headers Cookie --hook-headers X-Request-Id", ""},
		{rpc + "--hook-headers Host", `--hook-headers: "Host" is not a header that can be passed on`},
		{rpc + "--hook-headers content-length", "is not a header"},
		{rpc + "--hook-headers x-webim-signature", "is not a header"},
		{rpc + "--hook-headers a:b", "is not a header"},
		{rpc + "--hook-headers connection", "is not a header"},
		{rpc + "--hook-headers Content-Type", "is not a header"},
		{rpc + "--hook-headers transfer-encoding", "is not a header"},
		{rpc + "--hook-secret short", "--hook-secret has 5 bytes and can be guessed"},
		{rpc + "--hook-secret-file " + short, "--hook-secret-file has 8 bytes and can be guessed"},
		{rpc + "--hook-secret short --insecure", ""},
		{rpc + "--hook-secret= --insecure", "--hook-secret is empty, so that requests would not be signed"},
		{rpc + "--hook-secret-file " + empty + " --insecure", "--hook-secret-file is empty, so that requests would not be signed"},
		{rpc + "--hook-secret short --hook-secret-file " + long, "--hook-secret is there, and --hook-secret-file too"},
		{rpc + "--hook-secret-file " + long, ""},
		{rpc + "--hook-secret-file " + long + ".none", "no such file"},
	} {
		if err := judge(c.flags); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.flags, err, c.want)
		}
	}
}
