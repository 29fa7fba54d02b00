package wire

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestManualHasAllCodes compares the tables of codes in the manual with the codes here: each has
// one row, with the text that clients get.
func TestManualHasAllCodes(t *testing.T) {
	text, err := os.ReadFile("../../web/docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{3,4}) \| (.*?) \| (.+) \|$`).FindAllStringSubmatch(string(text), -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("the code %s has two rows", m[1])
		}
		rows[m[1]] = strings.TrimSpace(m[2])
	}
	known := map[string]bool{}
	check := func(code int, text string) {
		key := fmt.Sprint(code)
		known[key] = true
		if got, ok := rows[key]; !ok || got != text {
			t.Errorf("troubleshooting.md says %q of the code %d (%v), whose text is %q", got, code, ok, text)
		}
	}
	for code, text := range errorTexts {
		check(int(code), text)
	}
	for code, text := range disconnectTexts {
		check(int(code), text)
	}
	for code, text := range unsubscribeTexts {
		check(int(code), text)
	}
	for key := range rows {
		if !known[key] && len(key) == 4 && key >= "2000" || !known[key] && len(key) == 3 {
			t.Errorf("troubleshooting.md has the code %s, which webim does not have", key)
		}
	}
}
