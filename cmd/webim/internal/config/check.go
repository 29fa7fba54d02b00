package config

import (
	"bufio"
	"fmt"
	"io"
	"reflect"

	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/setting"
	"webim/netpoll"
)

// Check prints the effective configuration in YAML. As a file for --config, the output makes
// the same configuration, except secrets, which Check does not print. After it, Check prints
// the warnings of serve and the failures of probe.
func (c *Config) Check(out io.Writer) error {
	p, err := c.Prepare()
	if err != nil {
		return err
	}
	defer p.Close()
	if err := c.CheckFolders(); err != nil {
		return err
	}
	computed := netpoll.New(c.NetpollConfig(), nil).Config()
	w := bufio.NewWriter(out)
	for _, s := range Table {
		if s.Kind == "secret" {
			fmt.Fprintf(w, "# %s is not printed # %s\n", s.Key(), c.source(s))
			continue
		}
		fmt.Fprintf(w, "%s: %s # %s%s\n", s.Key(), c.yaml(s), c.source(s), here(c, s, computed))
	}
	roomsfile.Write(w, c.Rooms)
	p.Memory.write(w)
	for _, warning := range append(p.Warnings, c.probe(p)...) {
		fmt.Fprintf(w, "# warning: %s\n", warning)
	}
	return w.Flush()
}

// yaml returns the value of a setting in YAML.
func (c *Config) yaml(s *setting.Setting) string { return s.YAML(s.Field(&c.Settings)) }

// here returns the value of an auto setting on this machine, as a comment.
func here(c *Config, s *setting.Setting, computed netpoll.Config) string {
	v := s.Field(&c.Settings)
	if s.Format(v) != "auto" {
		return ""
	}
	name := reflect.TypeFor[Settings]().Field(s.Index).Name
	switch name {
	case "Engine":
		return ", here " + c.StoreEngine
	case "UpgradeBy":
		return "" // the process that serves decides
	}
	v = reflect.ValueOf(computed).FieldByName(name)
	if !v.IsValid() { // not a setting of package netpoll
		v = reflect.ValueOf(c.number(s))
	}
	return ", here " + s.Format(v)
}
