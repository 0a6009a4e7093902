package config

import "slices"

// setting is one key of the file. The reader, config expand, the schema and the
// reference are all made from the same table of settings: see root.
type setting struct {
	key    string             // in the file
	also   string             // another word for key that is understood; empty: none
	field  string             // of the struct that holds it; empty: none does, see hook
	doc    string             // what it says, for the reference
	def    string             // what it is when left out, as one would write it; empty: nothing
	form   form               // how it is written; zero: as the type of the field has it
	one    []string           // the only values; nil: any
	other  []string           // values that are only planned
	check  func(string) error // of each text; nil: anything goes
	least  string             // the smallest duration, count or size; empty: zero
	single bool               // a list may also be one element
	short  string             // of the keys below it: a value that is no mapping is this one's; empty: it has to be a mapping
	named  bool               // a list that is written as a mapping, by the name of each
	entry  bool               // field is a table of texts, and key one of its names
	empty  bool               // an empty text says something
	none   bool               // an empty list says something
	need   bool               // has to be there

	// keys judge the names in a table, one for each level; nil: names of variables.
	keys []func(string) error

	within []setting // keys below it
	// hook reads what no field holds.
	hook func(r *reader, path, text string)
	// planned is of the documented format, but not of this version. It is
	// refused by name: whoever writes it must not believe that it is obeyed.
	planned bool
}

// form is how a text is written and what becomes of it, where the type of its
// field does not say that.
type form int

const (
	formPlain   form = iota
	formPath         // of a file or directory, relative to the configuration
	formAddress      // what one listens on
	formSecret       // a reference and nothing else
	formPartial      // text with a reference in it, such as "Bearer ${TOKEN}"
	formEnv          // a value in the environment of a child
	formText         // text of several lines, in which nothing is a reference
)

// later are settings that are only planned.
func later(keys ...string) []setting {
	all := make([]setting, len(keys))
	for i, k := range keys {
		all[i] = setting{key: k, planned: true}
	}
	return all
}

// find returns the setting that a key names, or nil.
func find(all []setting, key string) *setting {
	i := slices.IndexFunc(all, func(s setting) bool { return s.key == key || s.also == key && key != "" })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// known are the keys that this version has.
func known(all []setting) []string {
	var keys []string
	for i := range all {
		if !all[i].planned {
			keys = append(keys, all[i].key)
		}
	}
	return keys
}
