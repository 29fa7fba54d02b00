// Command docgen renders the manual: it reads the Markdown files in web/docs and writes one page
// for each into web/docs/site, with the index for the search. The binary embeds the result. So
// the server has no Markdown parser: the parser would cost 2 ms at each start, and half a
// megabyte for as long as the process runs.
//
//	go run ./web/docgen web/docs
//
// A test of this package fails if the pages in the repository are not those that docgen writes;
// make docs writes them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen FOLDER, the folder with the Markdown files")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// write renders the manual in folder, and replaces the files in its folder site.
func write(folder string) error {
	files, err := render(os.DirFS(folder))
	if err != nil {
		return err
	}
	site := filepath.Join(folder, "site")
	if err := os.RemoveAll(site); err != nil {
		return err
	}
	if err := os.MkdirAll(site, 0o755); err != nil {
		return err
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(site, name), body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
