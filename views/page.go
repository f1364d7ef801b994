// Package views makes HTML. Each page is a templ component that takes one struct
// and does nothing but show it: no lookups, no rules. The structs are declared
// here too, as plain text, numbers and times; whoever has the data fills them.
//
// All times are instants; pages print them in UTC and, where the reader has
// chosen another zone, in that zone beside it.
package views

import "time"

// Page is what surrounds the content of every page.
type Page struct {
	Title    string
	Nav      []NavItem
	Person   *Person // nil for somebody who has not signed in
	Style    string  // address path of the style sheet
	Script   string  // address path of the script
	Icon     string  // address path of the icon
	Refresh  int     // seconds after which a browser without scripts loads the page again; 0: never
	Notice   string  // one sentence above the content; empty for none
	Instance string  // name of this installation, shown beside the product's; may be empty
}

// A NavItem is one entry of the title bar.
type NavItem struct {
	Title, Path string
	Current     bool
}

// A Person is who has signed in.
type Person struct {
	Name  string
	Email string
	Role  string // admin, reviewer, auditor
}

// A Message is a page that says one thing: an error, a refusal, a farewell.
type Message struct {
	Heading   string
	Sentence  string
	Help      []string // what to do, one sentence each
	RequestID string   // empty when there is nothing to look up
	Link      *Link
}

// A Link is where to go next.
type Link struct{ Text, Path string }

// SignIn is the page for somebody who has not signed in.
type SignIn struct {
	Provider string // the identity provider as people call it
	Start    string // address path that starts the sign-in
	Out      bool   // somebody has just signed out
}

// A Period is a run of whole days in a zone, both ends included.
type Period struct {
	From, To time.Time      // midnight UTC of the first and the last day; only the date counts
	Zone     *time.Location // never nil
}

// A Fact is one labelled line.
type Fact struct {
	Label string
	Value string
	Note  string // what the value does not say; may be empty
	Mono  bool   // the value is a digest, an address or a query
}
