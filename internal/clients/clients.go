// Package clients knows the programs that MCP servers are connected to: where
// each keeps its configuration, what an entry in it looks like, what the program
// can do and what it cannot. What it knows is data; nothing here writes a file or
// opens a connection.
package clients

import (
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

// Client is one program. In the texts of a shape {name}, {url} and {var} stand
// for the server's name, its URL and a variable with the key; {command} and
// {args} for our bridge and its arguments, {line} for both as one list.
type Client struct {
	ID    string   // what it is called on the command line
	Name  string   // what people call it
	Also  []string // other words for it
	Cloud bool     // connects from its maker's servers: what only this machine reaches, it does not

	User    Paths // the configuration of whoever runs us
	Project Paths // that of a project, below its directory
	Format  edit.Format
	Root    []string // the mapping that has a member for each server
	RootToo []string // used in its place by files that have it

	Remote edit.Object // an entry of a server behind a URL; nil: it starts programs only
	OAuth  edit.Object // more of it when the client signs in by OAuth; nil: it cannot. Empty: no more is needed
	Key    edit.Object // more of it when a key is sent; nil: the client has no way that keeps the key out of the file
	Prompt bool        // Key refers to an input of VS Code: the client asks for the key and keeps it
	Bridge edit.Object // an entry of a program; nil: it cannot start any

	Desktop  bool     // started from a menu or dock it sees no variables of a shell
	Unset    string   // what it does with a variable that is not set
	Register []string // how it becomes a client of an authorization server: cimd, dcr, static
	Programs []string // its commands; one in PATH says that it is installed
	Found    []string // what else says so, as in Paths
	CLI      CLI      // how its own command adds a server
	Link     string   // what makes a link that adds a server: cursor, vscode, lm-studio or empty

	Steps  []string // what to do by hand when it has no file that we write
	After  []string // what to do in the program then
	SignIn string   // how to sign in; empty: it asks by itself
	Names  []string // how it names itself in clientInfo, in lower case, from the beginning

	Sources []Source // where all that is from
}

// Register says.
const (
	CIMD   = "cimd"   // it has a document at a URL of its own
	DCR    = "dcr"    // it registers. RFC 7591
	Static = "static" // it is given an id
)

// Paths are the places of a file, by system; the first that exists is it, or the
// first. "~/" is the home directory, "$NAME/" a variable that has to be set, "$NAME" one
// with the file itself: then it alone is the place. $CONFIG, $APPDATA and $SUPPORT always are.
type Paths struct {
	Linux, Mac, Windows []string
}

// everywhere is the same place on all systems.
func everywhere(paths ...string) Paths { return Paths{paths, paths, paths} }

// CLI is a command that the client itself brings, its words as in a shape.
// {options} in Remote stands for Key when a key is sent.
type CLI struct {
	Remote []string // adds a server behind a URL; nil: the file is edited
	Key    []string
	Bridge []string // adds a program; {args} becomes many words
	Pass   []string // variables that say where the client keeps its files
	NoAuth bool     // it begins to sign in at once, so it is used for keys and programs only
}

// Source says where a fact is from.
type Source struct {
	How   string // run: the program was run; doc, source, issue: read; memory: to be tested
	Where string
	What  string
}

// All returns every client, in the order of their ids.
func All() []*Client {
	all := slices.Concat(editors, agents, others)
	slices.SortFunc(all, func(a, b *Client) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Find returns the client of a name; nil: there is none.
func Find(name string) *Client {
	name = strings.ToLower(name)
	for _, c := range All() {
		if c.ID == name || slices.Contains(c.Also, name) {
			return c
		}
	}
	return nil
}

// Writes says whether there is a file of the client that we can put an entry into.
func (c *Client) Writes() bool { return len(c.Root) > 0 }

// Is says whether a clientInfo.name is this client's.
func (c *Client) Is(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(c.Names, func(n string) bool { return strings.HasPrefix(name, n) })
}
