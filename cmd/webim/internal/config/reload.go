package config

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/setting"
	"webim/room/apikey"
	"webim/room/token"
)

// roomsKey is the key of the file's section rooms, which is no Setting.
const roomsKey = "rooms"

// A Reload is a configuration that a running server can take over.
type Reload struct {
	*Config            // in force from now on: the settings in Upgrade and Restart have their old values
	Prepared *Prepared // of Config; the caller closes it, or its parts
	Changed  []Change  // the settings with new values, and those that name files with new contents
	Upgrade  []Change  // the settings that have changed, too, and need a live upgrade: also those of which only a part does
	Restart  []Change  // the settings that have changed, too, and need a restart
}

// A Change is a setting that has changed. Lists of changes are sorted by the keys, and have each key once.
type Change struct {
	Key string
	How string // the old and the new value, or why they are not shown
}

func (c Change) String() string { return c.Key + " (" + c.How + ")" }

// An exception is a change for which a running server needs an upgrade, although a reload changes the same settings otherwise.
type exception struct {
	keys   string // of the settings, separated by spaces
	partly string // of the settings that a reload changes all the same, except for a part: see Reload
	text   string // the change, as the end of a sentence that begins with except
	needs  func(old, next *Config) bool
}

// exceptions are all exceptions.
var exceptions = []exception{
	{"tls_cert tls_key", "", "the first certificate and the last one", func(old, next *Config) bool { return (old.TLSCert == "") != (next.TLSCert == "") }},
	{"history_age", "rooms open", "another age of messages in a durable store", func(old, _ *Config) bool { return old.isDurable() }},
}

// concerns reports whether a reload leaves all of a new value of a setting out.
func (e *exception) concerns(key string) bool {
	return slices.Contains(strings.Fields(e.keys), key)
}

// Exceptions returns the changes that need an upgrade although a reload changes the same settings otherwise, for the manual.
func Exceptions() (texts []string) {
	for _, e := range exceptions {
		texts = append(texts, e.text)
	}
	return texts
}

// Reloading says for the manual how a running server takes over a new value of a setting. In the sentence, RELOAD, UPGRADE and RESTART stand for these words.
func Reloading(key string) string {
	switch changeOf(key) {
	case setting.ByUpgrade:
		return "A new value needs UPGRADE."
	case setting.ByRestart:
		return "A new value needs RESTART."
	}
	var but []string
	for i := range exceptions {
		if exceptions[i].concerns(key) || slices.Contains(strings.Fields(exceptions[i].partly), key) {
			but = append(but, exceptions[i].text)
		}
	}
	if len(but) == 0 {
		return "RELOAD applies a new value."
	}
	return "RELOAD applies a new value, except " + strings.Join(but, ", and ") + ": this needs UPGRADE."
}

// changeOf returns how a running server takes over a new value of a setting.
func changeOf(key string) string {
	if key == roomsKey {
		return setting.ByReload
	}
	return Lookup(key, (*setting.Setting).Key).Change
}

// Reload reads the sources of the settings again: the file, and the files that the settings name. old are those contents
// as they are in use. It changes nothing. The error is a UsageError: then nothing of the new settings can be used.
func (c *Config) Reload(old *Prepared) (*Reload, error) {
	next, err := c.again()
	if err != nil {
		return nil, err
	}
	r := &Reload{Config: next}
	changes := c.changes(next)
	for _, change := range changes {
		switch c.needs(next, change.Key) {
		case setting.ByUpgrade:
			r.Upgrade = append(r.Upgrade, change)
		case setting.ByRestart:
			r.Restart = append(r.Restart, change)
		default:
			r.Changed = append(r.Changed, change)
		}
	}
	for _, change := range slices.Concat(r.Upgrade, r.Restart) {
		r.takeBack(c, change.Key)
	}
	if err := r.validate(); err != nil {
		return nil, r.apart(err)
	}
	if r.Prepared, err = r.Prepare(); err != nil {
		return nil, err
	}
	if next.ages = c.openedWith(); next.isDurable() && next.fingerprint() != next.ages {
		r.Upgrade = append(r.Upgrade, Change{roomsKey, "the ages of stored messages"})
		slices.SortStableFunc(r.Upgrade, func(a, b Change) int { return cmp.Compare(a.Key, b.Key) })
	}
	r.Prepared.keepMadeKey(old)
	r.Changed = append(r.Changed, r.newContents(c, old)...) // after the settings, which say more
	slices.SortStableFunc(r.Changed, func(a, b Change) int { return cmp.Compare(a.Key, b.Key) })
	r.Changed = slices.CompactFunc(r.Changed, func(a, b Change) bool { return a.Key == b.Key })
	return r, nil
}

// apart returns the error for new settings that are valid together, but not with the old values of those that a reload cannot
// change. err says what is wrong then.
func (r *Reload) apart(err error) error {
	var keys []string
	for _, change := range slices.Concat(r.Upgrade, r.Restart) {
		keys = append(keys, change.Key)
	}
	by := "webim upgrade"
	if len(r.Restart) > 0 {
		by = "a restart"
	}
	return Usagef("a reload cannot change %s, and the other new settings do not fit the old values: use %s instead. Otherwise: %v", strings.Join(keys, ", "), by, err)
}

// changes returns the settings that differ.
func (c *Config) changes(next *Config) (all []Change) {
	for _, s := range Table {
		from, to := s.Field(&c.Settings), s.Field(&next.Settings)
		if !reflect.DeepEqual(from.Interface(), to.Interface()) {
			all = append(all, Change{s.Key(), how(s, from, to)})
		}
	}
	if !slices.EqualFunc(c.Rooms, next.Rooms, sameEntry) {
		all = append(all, Change{roomsKey, otherEntries(c.Rooms, next.Rooms)})
	}
	slices.SortFunc(all, func(a, b Change) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// some returns the first texts of a list, and how many more there are.
func some(all []string) string {
	const most = 8
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

// how returns Change.How for a setting.
func how(s *setting.Setting, from, to reflect.Value) string {
	if s.Kind == "secret" {
		return "not shown"
	}
	return cmp.Or(s.Format(from), "none") + " → " + cmp.Or(s.Format(to), "none")
}

// otherEntries returns Change.How for the section rooms.
func otherEntries(from, to []roomsfile.Entry) string {
	var added, changed, removed []string
	find := func(all []roomsfile.Entry, match string) int {
		return slices.IndexFunc(all, func(e roomsfile.Entry) bool { return e.Match == match })
	}
	for _, e := range to {
		if i := find(from, e.Match); i < 0 {
			added = append(added, e.Match)
		} else if !sameEntry(from[i], e) {
			changed = append(changed, e.Match)
		}
	}
	for _, e := range from {
		if find(to, e.Match) < 0 {
			removed = append(removed, e.Match)
		}
	}
	var parts []string
	for _, one := range []struct {
		what    string
		matches []string
	}{{"added", added}, {"changed", changed}, {"removed", removed}} {
		if len(one.matches) > 0 {
			parts = append(parts, one.what+" "+some(one.matches))
		}
	}
	return cmp.Or(strings.Join(parts, "; "), "another order")
}

func sameEntry(a, b roomsfile.Entry) bool {
	a.Place, b.Place = "", ""
	return a == b
}

// needs returns how a running server takes over the new value of a setting that has changed.
func (c *Config) needs(next *Config, key string) string {
	change := changeOf(key)
	if change != setting.ByReload {
		return change
	}
	if key != roomsKey && !next.Given(key) && (c.Dev != next.Dev || c.isDurable() != next.isDurable()) {
		return setting.ByRestart // it has another default because of a setting that needs a restart
	}
	for i := range exceptions {
		if e := &exceptions[i]; e.concerns(key) && e.needs(c, next) {
			return setting.ByUpgrade
		}
	}
	return change
}

// takeBack gives a setting its value in old.
func (r *Reload) takeBack(old *Config, key string) {
	if key == roomsKey {
		r.Rooms = old.Rooms
		return
	}
	s := Lookup(key, (*setting.Setting).Key)
	s.Field(&r.Settings).Set(s.Field(&old.Settings))
	delete(r.origins, s)
	if from, ok := old.origins[s]; ok {
		r.origins = maps.Clone(r.origins)
		r.origins[s] = from
	}
	if key == "engine" || key == "data" || key == "nats" {
		r.StoreEngine, r.StoreFolder = old.StoreEngine, old.StoreFolder
	}
}

// keepMadeKey keeps the key that --dev has made, instead of a new one.
func (p *Prepared) keepMadeKey(old *Prepared) {
	made := func(keys []apikey.Key) bool { return len(keys) == 1 && keys[0].Name == madeKey }
	if made(p.APIKeys) && made(old.APIKeys) {
		p.APIKeys = old.APIKeys
	}
}

// newContents returns the settings that name a file with other contents. old are the contents with which c is in force.
func (r *Reload) newContents(c *Config, old *Prepared) (all []Change) {
	next := r.Prepared
	differ := func(key string, same bool) {
		if !same {
			all = append(all, Change{key, "new contents"})
		}
	}
	differ("api_key_file", slices.EqualFunc(keyFiles(old.APIKeys), keyFiles(next.APIKeys), func(a, b apikey.Key) bool { return a.Name == b.Name && a.Secret == b.Secret }))
	for key, secret := range map[string]bool{"token_secret_file": true, "token_public_key": false} {
		of := func(all []token.Key) []token.Key {
			return slices.DeleteFunc(slices.Clone(all), func(k token.Key) bool { return len(k.Secret) > 0 != secret })
		}
		differ(key, slices.EqualFunc(of(c.inFiles(old.TokenKeys)), of(r.inFiles(next.TokenKeys)), func(a, b token.Key) bool {
			return a.ID == b.ID && bytes.Equal(a.Secret, b.Secret) && bytes.Equal(a.PEM, b.PEM)
		}))
	}
	differ("hook_secret_file", r.HookSecretFile == "" || old.HookSecret == next.HookSecret)
	differ("tls_cert", old.Certs == nil || next.Certs == nil || old.Certs.Same(next.Certs))
	return all
}

// keyFiles returns the keys that are in files.
func keyFiles(all []apikey.Key) []apikey.Key {
	return slices.DeleteFunc(slices.Clone(all), func(k apikey.Key) bool { return k.Name == apiKeyName })
}
