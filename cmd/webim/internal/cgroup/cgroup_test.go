package cgroup

import (
	"strings"
	"testing"
	"testing/fstest"
)

// The trees are those of real systems, with the relevant files only.
func TestContainerMemory(t *testing.T) {
	const v2 = "31 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	const v1 = "35 31 0:32 %ROOT% /sys/fs/cgroup/memory rw,relatime master:9 - cgroup cgroup rw,memory\n" +
		"36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	const none = "9223372036854771712\n"
	for _, c := range []struct {
		name        string
		cgroup      string
		mounts      string
		files       map[string]string
		want        int64
		set         string
		withoutProc bool
	}{
		{name: "Docker, version 2, name space of its own", cgroup: "0::/\n", mounts: v2,
			files: map[string]string{"sys/fs/cgroup/memory.max": "536870912\n"}, want: 512 << 20, set: "/sys/fs/cgroup/memory.max"},
		{name: "systemd service, version 2", cgroup: "0::/system.slice/webim.service\n", mounts: v2,
			files: map[string]string{"sys/fs/cgroup/system.slice/webim.service/memory.max": "1073741824\n", "sys/fs/cgroup/system.slice/memory.max": "max\n"},
			want:  1 << 30, set: "/sys/fs/cgroup/system.slice/webim.service/memory.max"},
		{name: "a group around it is smaller", cgroup: "0::/kubepods/burstable/pod1/abc\n", mounts: v2,
			files: map[string]string{"sys/fs/cgroup/kubepods/burstable/pod1/abc/memory.max": "max\n", "sys/fs/cgroup/kubepods/burstable/pod1/memory.max": "268435456\n",
				"sys/fs/cgroup/kubepods/burstable/memory.max": "max\n", "sys/fs/cgroup/kubepods/memory.max": "4294967296\n"},
			want: 256 << 20, set: "/sys/fs/cgroup/kubepods/burstable/pod1/memory.max"},
		{name: "throttled before the limit", cgroup: "0::/a\n", mounts: v2,
			files: map[string]string{"sys/fs/cgroup/a/memory.max": "1073741824\n", "sys/fs/cgroup/a/memory.high": "805306368\n"}, want: 768 << 20, set: "/sys/fs/cgroup/a/memory.high"},
		{name: "no limit, version 2", cgroup: "0::/a/b\n", mounts: v2, files: map[string]string{"sys/fs/cgroup/a/b/memory.max": "max\n"}},
		{name: "Docker, version 1, the host's name space", cgroup: "5:memory:/docker/abc\n1:cpu:/docker/abc\n0::/\n", mounts: replaceRoot(v1, "/docker/abc"),
			files: map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"}, want: 512 << 20, set: "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
		{name: "version 1, nested", cgroup: "4:memory:/a/b\n", mounts: replaceRoot(v1, "/"),
			files: map[string]string{"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "134217728\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": none},
			want:  128 << 20, set: "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"},
		{name: "no limit, version 1", cgroup: "4:memory:/\n", mounts: replaceRoot(v1, "/"), files: map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": none}},
		{name: "both versions, memory in the first", cgroup: "4:memory:/a\n0::/\n", mounts: replaceRoot(v1, "/") + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			files: map[string]string{"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "67108864\n"}, want: 64 << 20, set: "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"},
		{name: "a group beside the mount", cgroup: "0::/../other\n", mounts: v2, files: map[string]string{"sys/fs/cgroup/memory.max": "1048576\n"}, want: 1 << 20, set: "/sys/fs/cgroup/memory.max"},
		{name: "a mount of another group", cgroup: "0::/a\n", mounts: "31 23 0:26 /b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			files: map[string]string{"sys/fs/cgroup/memory.max": "2097152\n"}, want: 2 << 20, set: "/sys/fs/cgroup/memory.max"},
		{name: "a name that begins like the mount's", cgroup: "0::/bc\n", mounts: "31 23 0:26 /b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			files: map[string]string{"sys/fs/cgroup/c/memory.max": "1\n", "sys/fs/cgroup/memory.max": "2097152\n"}, want: 2 << 20, set: "/sys/fs/cgroup/memory.max"},
		{name: "a mount with a blank", cgroup: "0::/\n", mounts: "31 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
			files: map[string]string{"my groups/memory.max": "3145728\n"}, want: 3 << 20, set: "/my groups/memory.max"},
		{name: "nonsense", cgroup: "a\n:\n0::\n4:memory\n", mounts: "x\n - cgroup2\n1 2 3 / /m rw - cgroup2\n" + v2, files: map[string]string{"sys/fs/cgroup/memory.max": "many\n"}},
		{name: "no /proc", withoutProc: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			if !c.withoutProc {
				root["proc/self/cgroup"] = &fstest.MapFile{Data: []byte(c.cgroup)}
				root["proc/self/mountinfo"] = &fstest.MapFile{Data: []byte(c.mounts)}
			}
			for name, text := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got, set := Limit(root); got != c.want || set != c.set {
				t.Errorf("%d by %q, want %d by %q", got, set, c.want, c.set)
			}
		})
	}
}

func replaceRoot(mounts, root string) string { return strings.ReplaceAll(mounts, "%ROOT%", root) }
