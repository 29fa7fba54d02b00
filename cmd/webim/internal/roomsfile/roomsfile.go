package roomsfile

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"webim/cmd/webim/internal/setting"
	"webim/room/engine"
	"webim/room/name"
	"webim/room/policy"
	"webim/room/token"
)

// An Entry is one entry of the file's section rooms: the features and rights of the rooms
// that match. For each room, the first entry that matches its name decides. The tags are those
// of setting.MakeTable.
//
//	rooms:
//	  - match: "team-*"
//	    history: 1000
//	    recover: true
//	    allow: {join: user, read: user, send: [member, moderator]}
type Entry struct {
	Match          string        `name:"match" type:"text" def:"" help:"Pattern of room names; * stands for any characters, or none. For each room, the first entry that matches decides."`
	History        int           `name:"history" type:"count" def:"none" words:"none" min:"1" max:"1000000" help:"Maximum number of messages in the history; none: the room remembers nothing."`
	HistoryBytes   int           `name:"history-bytes" type:"size" def:"1MiB" min:"1" max:"1GiB" help:"Maximum size of the history; at least four times max_publication."`
	HistoryAge     time.Duration `name:"history-age" type:"time" def:"auto" words:"auto,none" min:"1s" max:"87600h" help:"How long the room keeps messages; none: for ever; auto: as --history-age."`
	MaxPublication int           `name:"max-publication" type:"size" def:"auto" words:"auto" min:"1" max:"256MiB" help:"Maximum size of a message as each member receives it; auto: as --max-publication."`
	Recover        bool          `name:"recover" type:"bool" def:"false" help:"Clients get the messages that they missed while they were disconnected; needs history."`
	Presence       bool          `name:"presence" type:"bool" def:"false" help:"Clients may ask which members are present."`
	JoinLeave      bool          `name:"join-leave" type:"bool" def:"false" help:"Members that ask for it are told when others join and leave."`
	ForceJoinLeave bool          `name:"force-join-leave" type:"bool" def:"false" help:"All members are told, also those that do not ask for it; needs join_leave."`
	Binary         bool          `name:"binary" type:"bool" def:"false" help:"Messages may be any bytes, not only JSON; clients that speak JSON cannot join."`

	Allow policy.Rights `name:"allow" type:"rights" help:"Roles that may do each action. Actions that are not named here are for moderators, and manage is for admins."`

	Place string // of the entry in the file: chat.yaml:3: rooms
}

// Table describes the fields of Entry; allow is the last.
var Table = setting.MakeTable(reflect.TypeFor[Entry]())

// Read reads the section, the node n of the file with this name. Its errors begin with the line, as :3: for line 3, and are
// sentences.
func Read(file string, n ast.Node) ([]Entry, error) {
	all, err := read(file, n)
	if err != nil {
		return nil, sentence(err)
	}
	return all, nil
}

func read(file string, n ast.Node) ([]Entry, error) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, fmt.Errorf(":%d: rooms is a list: begin each entry with - match: and a pattern, as - match: \"team-*\"", setting.Line(n))
	}
	all := make([]Entry, len(list.Values))
	for i, item := range list.Values {
		m, ok := item.(*ast.MappingNode)
		if !ok {
			return nil, fmt.Errorf(":%d: an entry of rooms begins with match: and a pattern, as - match: \"team-*\"", setting.Line(item))
		}
		if err := all[i].read(m); err != nil {
			return nil, err
		}
		all[i].Place = fmt.Sprintf("%s:%d: rooms", file, setting.Line(item))
		if err := all[i].reached(all[:i]); err != nil {
			return nil, fmt.Errorf(":%d: %w", setting.Line(item), err)
		}
	}
	return all, nil
}

// reached returns an error if one of the entries before this one decides for each room that matches. A pattern matches all names
// that another pattern matches if it matches the text of that pattern: only a star matches a star.
func (r *Entry) reached(before []Entry) error {
	for _, b := range before {
		switch {
		case b.Match == r.Match:
			return fmt.Errorf("rooms has %q twice, and only the first counts: remove one", r.Match)
		case name.Match(b.Match, r.Match):
			return fmt.Errorf("the entry %q never decides, because %q before it matches the same names: move it up, or remove it", r.Match, b.Match)
		}
	}
	return nil
}

// read reads one entry.
func (r *Entry) read(m *ast.MappingNode) error {
	for _, s := range Table {
		if s.Kind != "rights" {
			if err := s.Parse(s.Def, s.Field(r)); err != nil {
				panic(fmt.Sprintf("default of %s: %v", s.Name, err)) // the table is wrong; a test would notice
			}
		}
	}
	for _, v := range m.Values {
		at, key := setting.Line(v.Key), v.Key.GetToken().Value
		s := setting.Lookup(Table, key, (*setting.Setting).Key)
		if s == nil {
			return fmt.Errorf(":%d: rooms have no setting %q: %s", at, key, oneOf(key, keys()))
		}
		if s.Kind == "rights" {
			if err := readRights(&r.Allow, v.Value); err != nil {
				return err
			}
			continue
		}
		text, ok := setting.Scalar(v.Value)
		if !ok {
			return fmt.Errorf(":%d: %s takes one plain value", at, key)
		}
		if err := s.Parse(text, s.Field(r)); err != nil {
			return fmt.Errorf(":%d: %s: %w", at, key, err)
		}
	}
	r.Match = name.Normal(r.Match) // room names are compared in normal form
	if err := r.check(); err != nil {
		return fmt.Errorf(":%d: %w", setting.Line(m.Values[0].Key), err)
	}
	return nil
}

// check checks the values against each other.
func (r *Entry) check() error {
	switch {
	case r.Match == "":
		return fmt.Errorf("this entry of rooms matches nothing: add match: and a pattern, as match: \"team-*\"")
	case len(r.Match) > token.MaxPattern:
		return fmt.Errorf("match has %d bytes, more than the maximum of %d", len(r.Match), token.MaxPattern)
	case r.Recover && r.History == setting.None:
		return fmt.Errorf("recover needs something to recover from: add history: 100, or leave recover out")
	case r.History == setting.None && setting.FormatSize(int64(r.HistoryBytes)) != setting.Lookup(Table, "history_bytes", (*setting.Setting).Key).Def:
		return fmt.Errorf("history_bytes needs a history: add history: 100, or leave history_bytes out")
	case r.ForceJoinLeave && !r.JoinLeave:
		return fmt.Errorf("force_join_leave needs join_leave: add join_leave: true")
	}
	return nil
}

// readRights reads allow: for each action a role or a list of roles.
func readRights(into *policy.Rights, n ast.Node) error {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return fmt.Errorf(":%d: allow needs a role or a list of roles for each action: write it as allow: {join: user, send: [member, moderator]}", setting.Line(n))
	}
	for _, v := range m.Values {
		at, name := setting.Line(v.Key), v.Key.GetToken().Value
		action, ok := policy.ParseAction(name)
		if !ok {
			return fmt.Errorf(":%d: allow has no action %q: %s", at, name, oneOf(name, policy.Actions()))
		}
		text, _, ok := setting.Plain(v.Value)
		if !ok {
			return fmt.Errorf(":%d: %s takes a role or a list of them, as %s: user", at, name, name)
		}
		roles, err := parseRoles(text)
		if err != nil {
			return fmt.Errorf(":%d: %s: %w", at, name, err)
		}
		into[action] = roles
	}
	return nil
}

func parseRoles(text string) (all policy.Roles, err error) {
	for _, name := range setting.Fields(text) {
		role, ok := policy.ParseRole(name)
		if !ok {
			return 0, fmt.Errorf("there is no role %q: %s", name, oneOf(name, policy.RoleNames()))
		}
		all |= role
	}
	switch {
	case all == 0:
		return 0, fmt.Errorf("the list is empty: write nobody if you mean that")
	case all&policy.RoleNobody != 0 && all != policy.RoleNobody:
		return 0, fmt.Errorf("nobody cannot be combined with other roles")
	}
	return all, nil
}

func keys() (names []string) {
	for _, s := range Table {
		names = append(names, s.Key())
	}
	return names
}

// sentence adds a final stop to err, unless it ends with a question mark.
func sentence(err error) error {
	if strings.HasSuffix(err.Error(), "?") {
		return err
	}
	return errors.New(err.Error() + ".")
}

// oneOf suggests a name, or lists all names.
func oneOf(name string, names []string) string {
	if best := setting.Nearest(name, names); best != "" {
		return "did you mean " + best + "?"
	}
	return "write one of " + strings.Join(names, ", ")
}

// Pattern returns the entry in the form that package room expects. age is the value of --history-age.
func (r *Entry) Pattern(age time.Duration) policy.Pattern {
	o := policy.Options{
		Recoverable: r.Recover, Recover: r.Recover, Presence: r.Presence,
		Notices: r.JoinLeave, ForceNotices: r.ForceJoinLeave, Binary: r.Binary, Rights: r.Allow,
		MaxPublication: max(0, r.MaxPublication), // auto (0) means the limit for all rooms
	}
	if r.History > 0 {
		if r.HistoryAge != setting.Auto {
			age = r.HistoryAge
		}
		o.History = engine.Retention{Messages: r.History, Bytes: r.HistoryBytes, Age: Age(age)}
	}
	return policy.Pattern{Match: r.Match, Options: o}
}

// Age returns the Retention.Age for a setting.
func Age(age time.Duration) time.Duration {
	if age == setting.None {
		return engine.Forever
	}
	return age
}

// Write prints the section in a form that Read can read.
func Write(w io.Writer, all []Entry) {
	if len(all) == 0 {
		fmt.Fprintln(w, "rooms: [] # default")
		return
	}
	fmt.Fprintln(w, "rooms: # file")
	for i := range all {
		mark := "-"
		for _, s := range Table {
			if v := s.Field(&all[i]); s.Kind != "rights" {
				fmt.Fprintf(w, "  %s %s: %s\n", mark, s.Key(), s.YAML(v))
				mark = " "
			}
		}
		fmt.Fprintf(w, "    allow: {%s}\n", rightsText(all[i].Allow))
	}
}

func rightsText(r policy.Rights) string {
	var all []string
	for a, roles := range r {
		if roles != 0 {
			all = append(all, fmt.Sprintf("%s: [%s]", policy.Action(a), strings.ReplaceAll(roles.String(), ",", ", ")))
		}
	}
	return strings.Join(all, ", ")
}
