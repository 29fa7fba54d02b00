package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
)

// modulePath is the path of the one file that pages of other origins import, and typesPath the
// path of its types. Only these two allow every origin (see allowAll).
const (
	modulePath = "/chat.js"
	typesPath  = "/chat.d.ts"
)

// moduleParts are the files in static/chat that make up chat.js. Each file uses only files
// before it. They are served as one file, because a page of another origin cannot import
// modules without a CORS header.
var moduleParts = []string{"errors.js", "names.js", "fold.js", "size.js", "outbox.js", "room.js", "main.js"}

// importLine and reexportLine match the lines with which the parts import each other.
var (
	importLine   = regexp.MustCompile(`(?m)^import \{[^}]*\} from '\./[a-z]+\.js';\n`)
	reexportLine = regexp.MustCompile(`(?m)^export \{[^}]*\}(?: from '\./[a-z]+\.js')?;\n`)
	sourceMap    = regexp.MustCompile(`(?m)^//# sourceMappingURL=.*$`)
	header       = regexp.MustCompile(`\A(?://.*\n)+`)
)

// module returns chat.js: the description of its interface, the library of the protocol, and
// the parts without their imports.
func module(tree fs.FS, library string) ([]byte, error) {
	var out bytes.Buffer
	main, err := fs.ReadFile(tree, "static/chat/main.js")
	if err != nil {
		return nil, err
	}
	out.Write(header.Find(main))
	client, err := fs.ReadFile(tree, library)
	if err != nil {
		return nil, err
	}
	// The library is a script that sets a global; restore the previous value.
	out.WriteString("\nconst Centrifuge = (() => {\nconst before = globalThis.Centrifuge;\n")
	out.Write(sourceMap.ReplaceAll(client, nil))
	out.WriteString("\nconst own = globalThis.Centrifuge;\nif (before) globalThis.Centrifuge = before;\nelse delete globalThis.Centrifuge;\nreturn own;\n})();\n")
	for _, name := range moduleParts {
		part, err := fs.ReadFile(tree, "static/chat/"+name)
		if err != nil {
			return nil, err
		}
		part = importLine.ReplaceAll(part, nil)
		part = reexportLine.ReplaceAll(part, nil)
		if name == "main.js" {
			part = part[len(header.Find(part)):]
		}
		out.WriteString("\n")
		out.Write(bytes.TrimSpace(part))
		out.WriteString("\n")
	}
	return out.Bytes(), nil
}

// addModule replaces the parts in files with chat.js.
func addModule(files map[string]file) {
	body, err := module(static, "static/vendor/centrifuge-5.8.0/centrifuge.js")
	if err != nil {
		panic(err) // a part is missing in the embedded tree; a test would notice
	}
	for path := range files {
		if strings.HasPrefix(path, "/chat/") {
			delete(files, path)
		}
	}
	files[modulePath] = file{
		name: "chat.js", contentType: contentType("chat.js"), body: body,
		etag: fmt.Sprintf(`"%x"`, sha256.Sum256(body)),
		gzip: sync.OnceValue(func() []byte { return compressed(body) }),
	}
}
