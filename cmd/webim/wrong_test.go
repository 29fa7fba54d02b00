package main

import (
	"strings"
	"testing"
	"time"
)

// TestWrongSettings checks that webim ends with code 2 and one sentence, which names the setting as
// its author wrote it and the remedy, and that it writes nothing to standard output. Half of the settings are for serve,
// and half, more than fifty, for check.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		args string // FILE stands for the file
		env  string
		file string
		want string
	}{
		{args: "", want: `expected one of "serve", "check", "erase", "backup", "restore", ...; webim --help lists the commands, webim serve --help the flags.`},
		{args: "sevre", want: `unexpected argument sevre, did you mean "serve"?; webim --help lists the commands, webim serve --help the flags.`},
		{args: "serve --max-cons 3", want: `unknown flag --max-cons, did you mean "--max-conns"?; webim --help`},
		{args: "serve extra", want: `unexpected argument extra; webim --help`},
		{args: "serve --max-conns", want: `--max-conns: its value is missing.`},
		{args: "serve --max-conns --dev", want: `--max-conns: its value is missing.`},
		{args: "serve --max-conns many", want: `--max-conns: "many" is not a whole number: write digits only, or auto.`},
		{args: "serve --max-conns 0", want: `--max-conns: 0 is out of range: it must be 1 to 4194304, or auto.`},
		{args: "serve --max-message 64KB", want: `--max-message: "64KB" is not a size: write bytes as 65536, 64KiB or 1MiB.`},
		{args: "serve --max-message 2GiB", want: `--max-message: 2GiB is out of range: it must be 1 to 1GiB.`},
		{args: "serve --ping-interval 10", want: `--ping-interval: "10" is not a duration: write it as 500ms, 10s or 1m30s, or none.`},
		{args: "serve --pong-timeout=-1s", want: `--pong-timeout: -1s is out of range: it must be 1ms to 24h.`},
		{args: "serve --log-format xml", want: `--log-format: "xml" is not known: write text or json.`},
		{args: "check --history-bytes 512KiB", want: "--history-bytes is 512KiB, less than four times --max-publication, which is 256KiB, so that one message could make a room forget all others: raise the first or lower the second."},
		{args: "check --max-publication 300KiB", want: "--max-publication is 300KiB, more than a quarter of --max-queue, which is 1MiB: lower the first or raise the second."},
		{args: "serve --policy drop-newest", want: `unknown flag --policy`},
		{args: "serve --dev=perhaps", want: `--dev: bool value must be true, 1, yes, false, 0 or no but got "perhaps"; webim --help`},
		{args: "serve", env: "WEBIM_DEFLATE=perhaps", want: `WEBIM_DEFLATE: "perhaps" is neither true nor false: write one of them.`},
		{args: "serve", env: "WEBIM_MAX_QUEUE=1MB", want: `WEBIM_MAX_QUEUE: "1MB" is not a size: write bytes as 65536, 64KiB or 1MiB.`},
		{args: "serve", env: "WEBIM_CONFIG=/nowhere", want: `the configuration file cannot be read: open /nowhere: no such file or directory.`},

		{args: "serve --config FILE", file: "max_conns: 3\nmax_cons: 3", want: `FILE:2: there is no setting "max_cons": did you mean max_conns?`},
		{args: "serve -c FILE", file: "max-conns: 3", want: `FILE:1: there is no setting "max-conns": did you mean max_conns?`},
		{args: "serve -c FILE", file: "config: other", want: `FILE:1: there is no setting "config": webim check lists all settings.`},
		{args: "serve -c FILE", file: "loops: 1\n\nloops: 2", want: `FILE:3: this is not YAML: mapping key "loops" already defined at [1:1].`},
		{args: "serve -c FILE", file: "listen: [", want: `FILE:1: this is not YAML: `},
		{args: "serve -c FILE", file: "- loops", want: `FILE:1: this is not a list of settings: write lines like max_conns: 1000.`},
		{args: "serve -c FILE", file: "loops: {a: 1}", want: `FILE:1: loops needs a plain value or a list of them, as in loops: 10.`},
		{args: "serve -c FILE", file: "loops: &a 1", want: `FILE:1: loops needs a plain value or a list of them, as in loops: 10.`},
		{args: "serve -c FILE", file: "loops:", want: `FILE:1: loops has no value: write one behind the colon, or leave the line out.`},
		{args: "serve -c FILE", file: "loops: [1, 2]", want: `FILE:1: loops takes one value, not a list.`},
		{args: "serve -c FILE", file: "loops: 1\n---\nloops: 2", want: `FILE: it has several documents: leave out the lines ---.`},
		{args: "serve -c FILE", file: "# ours\nmax_conns: 1e6", want: `FILE:2: max_conns: "1e6" is not a whole number: write digits only, or auto.`},

		{args: "serve --rate-send 10", want: `--rate-send: "10" is not a rate: write a number and a time, as 50/10s or 1000/1m, or none.`},
		{args: "serve --proxy proxy.example", want: `--proxy: "proxy.example" is neither an address nor a network: write it as 10.0.0.1 or 10.0.0.0/8.`},
		{args: "serve --acme chat.example.org", want: `--acme needs a folder where the certificates are kept: add --acme-dir DIR.`},
		{args: "serve --acme chat.example.org --listen :80", want: `--acme has no effect without an address: add --tls-listen :443.`},
		{args: "serve --acme chat.example.org --dev", want: `--acme and --dev contradict each other: with the second, webim makes a certificate itself.`},
		{args: "serve --acme chat.example.org --tls-cert c --tls-key k", want: `--acme and --tls-cert contradict each other: remove one.`},
		{args: "serve --acme localhost --acme-dir /a", want: `--acme: "localhost" is not a name that everybody knows: write the name by which clients connect, as chat.example.org.`},
		{args: "serve --acme 192.0.2.1 --acme-dir /a", want: `--acme: "192.0.2.1" is not a name that everybody knows: write the name by which clients connect, as chat.example.org.`},
		{args: "serve --acme chat.example.org:443 --acme-dir /a", want: `--acme: "chat.example.org:443" is not the name of a host: write it as chat.example.org, without a port.`},
		{args: "serve --acme a.example --acme a.example --acme-dir /a", want: `--acme: a.example appears twice: remove one.`},
		{args: "serve --acme a.example --acme-dir /a --acme-directory http://acme.example", want: `--acme-directory: "http://acme.example" is not the address of an ACME server: write it as https://host/directory.`},
		{args: "serve --acme a.example --acme-dir /a --acme-ca /nowhere", want: `--acme-ca: open /nowhere: no such file or directory.`},
		{args: "serve --acme-dir /a", want: `--acme-dir has no effect without a host: add --acme HOST.`},
		{args: "serve --proxy 10.0.0.1 --listen :1 --proxy-protocol :2", want: `--proxy-protocol: webim does not serve :2: write an address as --listen or --tls-listen has it.`},
		{args: "serve --listen :1 --proxy-protocol :1", want: `--proxy-protocol has no effect, because it is read from listed proxies only: add --proxy ADDRESS.`},
		{args: "serve --max-rooms-per-conn 300", want: `--max-rooms-per-conn is 300, more than --max-commands, which is 256: lower the first or raise the second.`},
		{args: "serve --rate-join 100/1m", want: `--rate-join allows joining 100 rooms at once, and --max-rooms-per-conn is 128: raise the first or lower the second.`},

		{args: "serve -c FILE", file: "rooms: all", want: `FILE:1: rooms is a list: begin each entry with - match: and a pattern, as - match: "team-*".`},
		{args: "serve -c FILE", file: "rooms:\n  - team", want: `FILE:2: an entry of rooms begins with match: and a pattern, as - match: "team-*".`},
		{args: "serve -c FILE", file: "room:\n  - match: a", want: `FILE:1: there is no setting "room": did you mean rooms?`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    histroy: 10", want: `FILE:3: rooms have no setting "histroy": did you mean history?`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    colour: red", want: `FILE:3: rooms have no setting "colour": write one of match, history, `},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    history: [1]", want: `FILE:3: history takes one plain value.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    history: many", want: `FILE:3: history: "many" is not a whole number: write digits only, or none.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    match: b", want: `FILE:3: this is not YAML: mapping key "match" already defined at [2:5].`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n  - history: 10", want: `FILE:3: this entry of rooms matches nothing: add match: and a pattern, as match: "team-*".`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n  - match: b\n  - match: a", want: `FILE:4: rooms has "a" twice, and only the first counts: remove one.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: \"*\"\n  - match: team", want: `FILE:3: the entry "team" never decides, because "*" before it matches the same names: move it up, or remove it.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: team-*-a\n  - match: team-*\n  - match: team-x-*", want: `FILE:4: the entry "team-x-*" never decides, because "team-*" before it matches the same names: move it up, or remove it.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    recover: true", want: `FILE:2: recover needs something to recover from: add history: 100, or leave recover out.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    force_join_leave: true", want: `FILE:2: force_join_leave needs join_leave: add join_leave: true.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    history: 1\n    history_bytes: 1GiB", want: `FILE:2: rooms: history_bytes of "a" is 1GiB, more than --history-total, which is 64MiB: lower the first or raise the second.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    allow: everybody", want: `FILE:3: allow needs a role or a list of roles for each action: write it as allow: {join: user, send: [member, moderator]}.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    allow:\n      sned: user", want: `FILE:4: allow has no action "sned": did you mean send?`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    allow:\n      send: users", want: `FILE:4: send: there is no role "users": did you mean user?`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    allow: {send: []}", want: `FILE:3: send: the list is empty: write nobody if you mean that.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    allow: {send: [user, nobody]}", want: `FILE:3: send: nobody cannot be combined with other roles.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    allow: {send: {user: true}}", want: `FILE:3: send takes a role or a list of them, as send: user.`},

		{args: "serve --nats http://nats:4222", want: `--nats: "http://nats:4222" is not the address of a NATS server: write it as nats://host:4222 or tls://host:4222.`},
		{args: "serve --nats nats://nats:99999", want: `--nats: "nats://nats:99999" is not the address of a NATS server`},
		{args: "serve --nats nats:4222", want: `--nats: "nats:4222" is not the address of a NATS server`},
		{args: "serve --nats nats://webim:secret@nats", want: `--nats: an address with a user or a password would be shown in logs: write nats://host:4222, and add --nats-creds FILE.`},
		{args: "serve --nats nats://a,nats://a", want: `--nats: nats://a appears twice: remove one.`},
		{args: "serve --nats nats://a --nats-replicas 7", want: `--nats-replicas: 7 is out of range: it must be 1 to 5.`},
		{args: "serve --nats nats://a --nats-creds /dev/null", want: `--nats-creds: the file cannot be used: nkeys: no nkey seed found.`},
		{args: "serve --nats nats://a --nats-ca /dev/null", want: `--nats-ca: the file cannot be used: it has no certificate in PEM.`},
		{args: "serve --nats nats://a --nats-cert /dev/null --nats-key /dev/null", want: `--nats-cert: the certificate cannot be used: `},
		{args: "serve --data /dev/null", want: `--data: /dev/null is a file: write the name of a folder.`},
		{args: "serve --open --data /proc/store", want: `--data: nothing can be written to /proc: no such file or directory: write the name of a folder that the user of webim may write to.`},
		{args: "serve --open --data /dev/null/store", want: `--data: nothing can be written to /dev/null: not a directory: write the name of a folder`},
		{args: "serve --open --engine memory --acme chat.example.org --acme-dir /dev/null", want: `--acme-dir: nothing can be written to /dev/null: not a directory`},
		{args: "serve --open --engine memory --acme chat.example.org --acme-dir /proc/acme/chat", want: `--acme-dir: nothing can be written to /proc: `},
		{args: "serve --open --data /tmp --max-store 1KiB", want: `--max-store: 1KiB is out of range: it must be 8MiB to 1024TiB.`},

		{args: "serve --tls-cert c.pem", want: `--tls-cert is given without a key: add --tls-key FILE.`},
		{args: "serve", env: "WEBIM_TLS_KEY=k.pem", want: `WEBIM_TLS_KEY is given without a certificate: add WEBIM_TLS_CERT=FILE.`},
		{args: "serve --tls-cert c.pem --tls-key k.pem --listen :0", want: `--tls-cert has no effect without an address: add --tls-listen ADDR.`},
		{args: "serve --tls-cert /no/c.pem --tls-key k.pem --tls-listen 127.0.0.1:0", want: `--tls-cert: the certificate cannot be used: open /no/c.pem: no such file or directory.`},
		{args: "check --tls-cert /no/c.pem --tls-key k.pem", want: `--tls-cert: the certificate cannot be used: open /no/c.pem: no such file or directory.`},
		{args: "serve --tls-listen :0", want: `--tls-listen needs a certificate: add --tls-cert FILE and --tls-key FILE, or --acme HOST, or use --dev to try it out.`},
		{args: "serve -c FILE", file: "listen: []", want: `FILE:1: listen names no address, so that there is nothing to listen on: add listen: ADDR.`},
		{args: "serve --listen 9501", want: `--listen: "9501" is not an address: write host:port, as 127.0.0.1:9501, [::1]:9501 or :9501, or unix:/path.`},
		{args: "serve --listen :http", want: `--listen: ":http" has no port: write a number from 0 to 65535 behind the colon; 0 takes a free one.`},
		{args: "serve --listen unix:", want: `--listen: unix: has no path: write unix:/run/webim.sock.`},
		{args: "serve --listen :9501,:9501", want: `--listen: :9501 appears twice: remove one.`},
		{args: "serve --listen :9501 --listen 127.0.0.1:9501", want: `--listen: 127.0.0.1:9501 and :9501 have an address in common: remove one, or choose another port.`},
		{args: "serve --listen 127.0.0.1:9501 --internal localhost:9501 --metrics-open", want: `--internal: localhost:9501 and 127.0.0.1:9501 have an address in common`},
		{args: "serve --listen unix:/" + strings.Repeat("a", 107), want: `--listen: the path of a Unix socket has 108 bytes, more than the maximum of 107: choose a shorter one.`},
		{args: "serve --dev --listen :9501", want: `--listen: :9501 can be reached from other machines, and with --dev anybody may do anything: write 127.0.0.1 for the host, or leave out --dev.`},
		{args: "serve --dev --listen 0.0.0.0:0", want: `--listen: 0.0.0.0:0 can be reached from other machines`},
		{args: "serve --dev", env: "WEBIM_TLS_LISTEN=[::]:0", want: `WEBIM_TLS_LISTEN: [::]:0 can be reached from other machines`},
		{args: "serve --allow-origin chat.example.com", want: `--allow-origin: "chat.example.com" is not an origin: write scheme://host or scheme://host:port, as https://chat.example.com.`},
		{args: "serve --allow-origin https://chat.example.com/", want: `--allow-origin: "https://chat.example.com/" is not what browsers send: write https://chat.example.com.`},
		{args: "serve --allow-origin *", want: `--allow-origin: * would let every site that a user visits act in the user's name: list the origins that may connect.`},
		{args: "serve --allow-origin null,null", want: `--allow-origin: null appears twice: remove one.`},
		{args: "serve --high-water 2MiB", want: `--high-water is 2MiB, more than --max-queue, which is 1MiB: lower the first or raise the second.`},
		{args: "serve --shutdown-timeout 1s", want: `--shutdown-spread is 2s, more than --shutdown-timeout, which is 1s: lower the first or raise the second.`},
		{args: "serve --max-queue 1KiB --low-water 1000", want: `--low-water is 1000, more than --high-water, which is 128: lower the first or raise the second.`},

		{args: "serve -c FILE", file: `token_secret: ""`, want: `FILE:1: token_secret is empty, so that anybody could make tokens: write at least 32 random bytes, as openssl rand -hex 32 prints.`},
		{args: "serve --dev -c FILE", file: "token_secret:", want: `FILE:1: token_secret is empty, so that anybody could make tokens`},
		{args: "serve", env: "WEBIM_TOKEN_SECRET=", want: `WEBIM_TOKEN_SECRET is empty, so that anybody could make tokens`},
		{args: "serve --dev --token-secret=", want: `--token-secret is empty, so that anybody could make tokens`},
		{args: "serve --token-secret secret", want: `--token-secret has 6 bytes and can be guessed from any token: write at least 32 random bytes, as openssl rand -hex 32 prints, or set insecure to try it out.`},
		{args: "check --token-secret secret", want: `--token-secret has 6 bytes and can be guessed from any token`},
		{args: "serve --token-secret-file /no/secret", want: `--token-secret-file: open /no/secret: no such file or directory.`},
		{args: "serve --token-secret-file a=/dev/null", want: `--token-secret-file a=/dev/null is empty, so that anybody could make tokens`},
		{args: "serve --token-public-key /dev/null", want: `--token-public-key /dev/null cannot be used: it is not PEM: a public key begins with -----BEGIN PUBLIC KEY-----.`},
		{args: "serve --token-public-key /dev/zero", want: `--token-public-key: /dev/zero has more than 65536 bytes: it is not a key.`},
		{args: "serve --token-jwks http://id.example/keys", want: `--token-jwks: the JWKS address is http, so that anybody on the way could replace the keys: write https.`},
		{args: "serve --token-issuer us", want: `--token-issuer has no effect without a key: add --token-secret-file, --token-public-key or --token-jwks.`},
		{args: "serve -c FILE", file: "token_issuer: us", want: `FILE:1: token_issuer has no effect without a key: add token_secret_file, token_public_key or token_jwks.`},
		{args: "serve", env: "WEBIM_TOKEN_AUDIENCE=us", want: `WEBIM_TOKEN_AUDIENCE has no effect without a key: add WEBIM_TOKEN_SECRET_FILE, WEBIM_TOKEN_PUBLIC_KEY or WEBIM_TOKEN_JWKS.`},
		{args: "serve -c FILE", file: "token_jwks: http://id.example/keys", want: `FILE:1: token_jwks: the JWKS address is http`},
		{args: "serve --token-audience us", want: `--token-audience has no effect without a key`},
		{args: "serve --token-leeway 1h", want: `--token-leeway: 1h is out of range: it must be 0s to 10m.`},

		{args: "serve --api", want: `--api needs a key: add --api-key-file FILE.`},
		{args: "serve --internal 9500", want: `--internal: "9500" is not an address: write host:port`},
		{args: "serve --internal :9501", want: `--internal: :9501 appears twice: remove one.`},
		{args: "serve --dev --internal :0", want: `--internal: :0 can be reached from other machines, and with --dev anybody may do anything`},
		{args: "serve --api-key 0123456789abcdef", want: `--api-key has no effect, because the API is not served: add --internal 127.0.0.1:9500 or --api.`},
		{args: "serve -c FILE", file: "# ours\napi_key: 0123456789abcdef", want: `FILE:2: api_key has no effect, because the API is not served: add internal: 127.0.0.1:9500 or api: true.`},
		{args: "serve", env: "WEBIM_API_KEY_FILE=/no/key", want: `WEBIM_API_KEY_FILE has no effect, because the API is not served: add WEBIM_INTERNAL=127.0.0.1:9500 or WEBIM_API=true.`},
		{args: "serve --internal 127.0.0.1:0", want: `--internal has no effect without a key, which opens the API and the live picture: add --api-key-file FILE.`},
		{args: "serve --metrics-open", want: `--metrics-open has no effect without an internal address: add --internal 127.0.0.1:9500.`},
		{args: "check -c FILE", file: "open: true\ninternal: 127.0.0.1:0", want: `FILE:2: internal has no effect without a key, which opens the API and the live picture: add api_key_file: FILE.`},
		{args: "serve --hook-connect https://:443/", want: `--hook-connect: "https://:443/" is not a URL`},
		{args: "serve --hook-connect https://backend.example:99999/", want: `--hook-connect: "https://backend.example:99999/" is not a URL`},
		{args: "serve --hook-open connect", want: `--hook-open: the hook connect is not configured: add --hook-connect URL, or leave connect out.`},
		{args: "serve -c FILE", file: "hook_rpc: http://127.0.0.1/\nhook_open: [rpc, publish]", want: `FILE:2: hook_open: the hook publish is not configured: add hook_publish: URL, or leave publish out.`},
		{args: "serve", env: "WEBIM_HOOK_REFRESH=http://127.0.0.1/", want: `WEBIM_HOOK_REFRESH has no effect without WEBIM_HOOK_CONNECT: webim asks only about clients that it accepted.`},
		{args: "serve --hook-rpc http://127.0.0.1/ --hook-rooms team-*", want: `--hook-rooms has no effect without a hook that asks about rooms: add --hook-subscribe URL or --hook-publish URL.`},
		{args: "serve --hook-timeout 2s", want: `--hook-timeout has no effect without a hook: add --hook-connect URL, or the URL of another hook.`},
		{args: "serve -c FILE", file: "open: true\nhook_headers: [Cookie]", want: `FILE:2: hook_headers has no effect without a hook: add hook_connect: URL, or the URL of another hook.`},
		{args: "serve", env: "WEBIM_HOOK_SECRET=0123456789abcdef0123456789abcdef", want: `WEBIM_HOOK_SECRET has no effect without a hook: add WEBIM_HOOK_CONNECT=URL, or the URL of another hook.`},
		{args: "serve --hook-secret-file /no/secret", want: `--hook-secret-file has no effect without a hook`},
		{args: "serve --hook-concurrency 4", want: `--hook-concurrency has no effect without a hook for whose answer clients wait: add --hook-connect URL, or the URL of another hook.`},
		{args: "serve --hook-concurrency 4 --hook-disconnect http://127.0.0.1/", want: `--hook-concurrency has no effect without a hook for whose answer clients wait`},
		{args: "serve --token-leeway 0s", want: `--token-leeway has no effect without a key: add --token-secret-file, --token-public-key or --token-jwks.`},
		{args: "serve --token-jwks-refresh 1h", want: `--token-jwks-refresh has no effect without an address: add --token-jwks URL.`},
		{args: "serve -c FILE", file: "rooms:\n  - match: a\n    history_bytes: 2MiB", want: `FILE:2: history_bytes needs a history: add history: 100, or leave history_bytes out.`},
		{args: "serve -c FILE", file: "tls_cert: c.pem", want: `FILE:1: tls_cert is given without a key: add tls_key: FILE.`},
		{args: "serve -c FILE", file: "tls_listen: [\":0\"]", want: `FILE:1: tls_listen needs a certificate: add tls_cert: FILE and tls_key: FILE, or acme: HOST, or use dev: true to try it out.`},
		{args: "serve -c FILE", file: "listen: [\":0\"]\nshutdown_timeout: 1s", want: `shutdown_spread is 2s, more than FILE:2: shutdown_timeout, which is 1s: lower the first or raise the second.`},
		{args: "serve", env: "WEBIM_MAX_COMMANDS=100", want: `WEBIM_MAX_ROOMS_PER_CONN is 128, more than WEBIM_MAX_COMMANDS, which is 100`},
		{args: "serve -c FILE", file: "rate_join: 100/1m", want: `FILE:1: rate_join allows joining 100 rooms at once, and max_rooms_per_conn is 128`},
		{args: "serve -c FILE", file: "dev: true\nlisten: [\":9501\"]", want: `FILE:2: listen: :9501 can be reached from other machines, and with dev anybody may do anything: write 127.0.0.1 for the host, or leave out dev.`},
		{args: "serve -c FILE", file: "tls_cert: /no/c.pem\ntls_key: k.pem", want: `FILE:1: tls_cert: the certificate cannot be used: open /no/c.pem`},
		{args: "serve -c FILE", file: "allow_origin:", want: `FILE:1: allow_origin has no value: write one behind the colon, or leave the line out.`},
		{args: "serve -c FILE", file: "listen: ~", want: `FILE:1: listen has no value`},
		{args: "serve -c FILE", file: "max_queue: null", want: `FILE:1: max_queue has no value`},
		{args: "serve -c FILE", file: "max_queue: ~", want: `FILE:1: max_queue has no value: write one behind the colon, or leave the line out.`},
		{args: "serve --listen :99999", want: `--listen: ":99999" is out of range: a port is a number from 0 to 65535; 0 takes a free one.`},
		{args: "serve --listen :-1", want: `--listen: ":-1" has no port: write a number`},
		{args: "serve --api-key-file /no/key", want: `--api-key-file has no effect, because the API is not served`},
		{args: "serve --api-host chat.example.com", want: `--api-host has no effect, because the API is not served`},
		{args: "serve --dev --api-host chat.example.com:80", want: `--api-host: "chat.example.com:80" is not a host name: write one as chat.example.com, without a port.`},
		{args: "serve --api", env: "WEBIM_API_KEY=", want: `WEBIM_API_KEY is empty, so that anybody could call the API: write at least 16 random bytes, as openssl rand -hex 16 prints.`},
		{args: "serve --dev --api-key=", want: `--api-key is empty, so that anybody could call the API`},
		{args: "serve --api --api-key short", want: `--api-key has 5 bytes and can be guessed: write at least 16 random bytes, as openssl rand -hex 16 prints, or set insecure to try it out.`},
		{args: "check --api --api-key short", want: `--api-key has 5 bytes and can be guessed`},
		{args: "serve --api --api-key-file /no/key", want: `--api-key-file: open /no/key: no such file or directory.`},
		{args: "serve --dev --api-key-file /dev/null", want: `--api-key-file /dev/null is empty, so that anybody could call the API`},
		{args: "serve --api", env: "WEBIM_API_KEY=0123456789abcdef ", want: `WEBIM_API_KEY has spaces around it, or characters that an HTTP header cannot carry`},
		{args: "token make", want: `missing flags: --user=ID; webim --help`},
		{args: "token make --user u", want: `there is nothing to sign with: add --secret-file FILE or --key-file FILE, or a --config with a secret, or set WEBIM_TOKEN_SECRET.`},
		{args: "token make --user u --exp=-1h", want: `--exp is -1h0m0s, so that the token would expire at once: write 1h, or 0s for a token that never expires.`},
		{args: "token make --user u --kid a", env: "WEBIM_TOKEN_SECRET=x", want: `the settings have no secret with the kid "a": add --secret-file FILE or --key-file FILE.`},
		{args: "token make --user u --info {", env: "WEBIM_TOKEN_SECRET=x", want: `the info is not JSON.`},
		{args: "token make --user u --alg none", env: "WEBIM_TOKEN_SECRET=x", want: `WEBIM_TOKEN_SECRET is a secret, but "none" is not an HMAC algorithm: write HS256, HS384 or HS512.`},
		{args: "token make --user u --secret-file /dev/null", want: `--secret-file is empty, so that anybody could make tokens`},
		{args: "token inspect a.b.c", env: "WEBIM_TOKEN_SECRET=x", want: `WEBIM_TOKEN_SECRET has 1 bytes and can be guessed`},
	} {
		var vars []string
		if c.env != "" {
			vars = []string{c.env}
		}
		args := strings.Fields(c.args)
		if c.file != "" {
			path := write(t, "webim.yaml", c.file)
			args[len(args)-1], c.want = path, strings.Replace(c.want, "FILE", path, 1)
		}
		if len(args) > 0 && args[0] == "serve" && i%2 > 0 { // check reports what serve would
			args[0] = "check"
		}
		refuses(t, vars, args, c.want)
	}
}

// refuses runs webim with wrong settings.
func refuses(t *testing.T, vars, args []string, want string) {
	t.Helper()
	var code int
	var out, errs string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		code, out, errs = webim("", vars, args...)
	}()
	select {
	case <-ended:
	case <-time.After(patience): // a program that serves does not end
		t.Fatalf("webim %q, %s is taken, and should be refused: %s", args, vars, want)
	}
	if code != exitUsage || out != "" || !strings.HasPrefix(errs, "webim: "+want) || strings.Count(errs, "\n") != 1 {
		t.Errorf("webim %q, %s:\nexit code %d, standard output %q and\n%swant 2, nothing and\nwebim: %s", args, vars, code, out, errs, want)
	}
}
