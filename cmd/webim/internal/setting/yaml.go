package setting

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A Pair is one setting in the configuration file.
type Pair struct {
	Line  int
	Key   string
	Text  string // in the form that Setting.Parse expects
	List  bool
	Empty bool     // the value is missing or null
	Word  bool     // the value is the word null, a valid origin in a list
	Node  ast.Node // of rooms
}

// ParseYAML parses a file with one level of keys, each with a plain value or a list of plain
// values. Only the section rooms is deeper, which stays a node. Any other YAML is an error that
// begins with the line.
func ParseYAML(b []byte, table []*Setting) ([]Pair, error) {
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, syntaxError(err)
	}
	if len(file.Docs) > 1 {
		return nil, errors.New(": it has several documents: leave out the lines ---")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, nil
	}
	body := file.Docs[0].Body
	if g, ok := body.(*ast.CommentGroupNode); ok && g != nil {
		return nil, nil // only comments
	}
	m, ok := body.(*ast.MappingNode)
	if !ok {
		return nil, fmt.Errorf(":%d: this is not a list of settings: write lines like max_conns: 1000", Line(body))
	}
	seen := map[string]int{}
	var pairs []Pair
	for _, v := range m.Values {
		p := Pair{Line: Line(v.Key), Key: v.Key.GetToken().Value}
		if first := seen[p.Key]; first > 0 {
			return nil, fmt.Errorf(":%d: %s appears twice, also in line %d: remove one", p.Line, p.Key, first)
		}
		seen[p.Key] = p.Line
		null, isNull := v.Value.(*ast.NullNode)
		p.Empty = isNull
		if p.Key == "rooms" {
			p.Node = v.Value
		} else if p.Text, p.List, ok = Plain(v.Value); !ok && !isNull && Lookup(table, p.Key, (*Setting).Key) != nil {
			return nil, fmt.Errorf(":%d: %s needs a plain value or a list of them, as in %s: 10", p.Line, p.Key, p.Key)
		}
		if isNull && null.GetToken().Type == token.NullType && p.Text == "null" {
			p.Word = true
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// Plain returns the text of a scalar, or the items of a list joined with commas.
func Plain(n ast.Node) (text string, list, ok bool) {
	if seq, isList := n.(*ast.SequenceNode); isList {
		items := make([]string, len(seq.Values))
		for i, item := range seq.Values {
			if items[i], ok = Scalar(item); !ok || strings.Contains(items[i], ",") {
				return "", true, false
			}
		}
		return strings.Join(items, ","), true, true
	}
	text, ok = Scalar(n)
	return text, false, ok
}

// Scalar returns the text of a plain value.
func Scalar(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		// The word null itself, a valid origin.
		return n.GetToken().Value, n.GetToken().Value == "null"
	}
	return "", false
}

// Line returns the line of a node.
func Line(n ast.Node) int { return n.GetToken().Position.Line }

// syntaxError shortens the parser's error to one line.
func syntaxError(err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf(":%d: this is not YAML: %s", e.GetToken().Position.Line, e.GetMessage())
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(": this is not YAML: " + first)
}

// Nearest returns the name most similar to key, or "" if none is similar.
func Nearest(key string, names []string) (best string) {
	key = strings.ReplaceAll(key, "-", "_")
	least := 3
	for _, name := range names {
		if d := distance(key, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns the Levenshtein distance of a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
