package main

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"webim/netpoll"
)

// check prints the effective configuration in YAML. As a file for --config, the output makes
// the same configuration, except secrets, which check does not print. After it, check prints
// the warnings of serve and the failures of probe.
func check(c *config, out io.Writer) error {
	p, err := c.prepare()
	if err != nil {
		return err
	}
	defer p.close()
	computed := netpoll.New(c.netpollConfig(), nil).Config()
	w := bufio.NewWriter(out)
	for _, s := range table {
		if s.kind == "secret" {
			fmt.Fprintf(w, "# %s is not printed # %s\n", s.key(), c.source(s))
			continue
		}
		fmt.Fprintf(w, "%s: %s # %s%s\n", s.key(), c.yaml(s), c.source(s), here(c, s, computed))
	}
	writeRooms(w, c.rooms)
	p.memory.write(w)
	for _, warning := range append(p.warnings, c.probe(p)...) {
		fmt.Fprintf(w, "# warning: %s\n", warning)
	}
	return w.Flush()
}

// yaml returns the value of a setting in YAML.
func (c *config) yaml(s *setting) string { return s.yaml(s.field(&c.settings)) }

func (s *setting) yaml(v reflect.Value) string {
	switch {
	case s.kind == "list":
		text := "["
		for i, item := range v.Interface().([]string) {
			if i > 0 {
				text += ", "
			}
			text += strconv.Quote(item)
		}
		return text + "]"
	case s.kind == "text":
		return strconv.Quote(v.String())
	}
	return s.format(v)
}

// here returns the value of an auto setting on this machine, as a comment.
func here(c *config, s *setting, computed netpoll.Config) string {
	v := s.field(&c.settings)
	if s.format(v) != "auto" {
		return ""
	}
	name := reflect.TypeFor[settings]().Field(s.index).Name
	if name == "Engine" {
		return ", here " + c.engine
	}
	v = reflect.ValueOf(computed).FieldByName(name)
	if !v.IsValid() { // not a setting of package netpoll
		v = reflect.ValueOf(c.number(s))
	}
	return ", here " + s.format(v)
}
