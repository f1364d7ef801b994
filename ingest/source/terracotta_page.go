package source

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// terracottaPaths says where a page has its parts, when the settings do; plain. An
// empty path stands for the usual places.
type terracottaPaths struct{ list, next string }

// A terracottaPage is one page of an answer.
type terracottaPage struct {
	records  [][]byte
	received time.Time

	next  string // link, cursor or number of the next page; empty: none
	param string // what a next that is no link belongs to
	more  bool   // it says that there are more pages
	last  bool   // it says that there are none
	empty bool   // it has a place for the next page, with nothing in it
	total int    // entries in all pages, -1 when it does not say

	page, pages int // number of this page, and of pages
}

// ended reports whether the page itself says that it is the last.
func (p *terracottaPage) ended() bool { return p.last || p.empty && p.next == "" }

// plainPath writes a path in small letters without _ and -.
func plainPath(path string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(path))
}

// frames are the names of objects that pages have around their entries, plain.
func frames() []string {
	return []string{"data", "links", "meta", "metadata", "pagination", "paging", "page", "pageinfo", "cursor", "cursors", "response", "result"}
}

// parseTerracotta cuts an answer into its entries, which share memory with it.
func parseTerracotta(body []byte, paths terracottaPaths) (terracottaPage, error) {
	p := terracottaPage{total: -1}
	lists, known := 0, frames()
	err := walk(body, func(path string, dec *jsontext.Decoder) (_ bool, err error) {
		path = plainPath(path)
		kind := dec.PeekKind()
		isList := paths.list == path && path != "" || paths.list == "" && usualList(path)
		switch {
		case isList && kind == '[':
			lists++
			p.records, err = elements(dec, body)
			return true, err
		case isList && kind == 'n' && path != "": // as some write a list without entries
			lists++
			return false, nil
		case path == "error" || path == "errors":
			return true, p.failure(dec)
		}
		if path == paths.next && path != "" {
			return kind != '{' && kind != '[', p.setNext(dec, "cursor")
		}
		steps := strings.Split(path, ".")
		last := len(steps) - 1
		for _, step := range steps[:last] {
			if !slices.Contains(known, step) && step != "next" {
				return false, nil
			}
		}
		if last > 0 && steps[last-1] == "next" {
			steps[last] = "next" // next.href and the like
		}
		return p.sign(steps[last], dec, paths.next == "")
	})
	switch {
	case err != nil:
		return p, err
	case lists == 0:
		return p, errors.New("the answer holds no list of entries in a usual place: set list to its path, such as result.entries")
	case lists > 1:
		return p, errors.New("the answer holds several lists: set list to the path of the one with the entries, such as result.entries")
	}
	return p, nil
}

// usualList reports whether a path may be that of the entries.
func usualList(path string) bool {
	if path == "" {
		return true
	}
	for step := range strings.SplitSeq(path, ".") {
		switch step {
		case "auditlogs", "auditevents", "logs", "events", "data", "items", "results", "result", "response", "entries", "records":
		default:
			return false
		}
	}
	return true
}

// sign reads a member that says whether there are more pages.
func (p *terracottaPage) sign(name string, dec *jsontext.Decoder, wantNext bool) (taken bool, err error) {
	param := ""
	switch name {
	case "next", "nextpage", "nextlink", "nexturl", "nextpageurl", "nextcursor", "after":
		param = "cursor"
	case "nextpagetoken":
		param = "page_token"
	case "nexttoken":
		param = "next_token"
	case "endcursor":
		param = "after"
	case "hasmore", "hasnext", "hasnextpage", "more":
		return p.flag(dec)
	case "total", "totalcount", "totalitems", "totalresults", "totalentries", "totalelements":
		return number(dec, &p.total)
	case "totalpages", "pagecount", "lastpage":
		return number(dec, &p.pages)
	case "page", "currentpage", "pagenumber":
		return number(dec, &p.page)
	}
	switch kind := dec.PeekKind(); {
	case param == "" || !wantNext || kind == '{' || kind == '[':
		return false, nil
	case kind == 't' || kind == 'f':
		return p.flag(dec)
	}
	return true, p.setNext(dec, param)
}

// setNext reads what leads to the next page.
func (p *terracottaPage) setNext(dec *jsontext.Decoder, param string) error {
	kind := dec.PeekKind()
	if kind == '{' || kind == '[' {
		return errors.New("the next page is neither a text nor a number: set next to its path")
	}
	text, err := textOf(dec)
	switch {
	case err != nil:
		return err
	case text == "":
		p.empty = true
		return nil
	case kind == '0':
		param = "page"
	}
	if p.next != "" && p.next != text {
		// Several forms of the same: the link needs no guess.
		if isLink(p.next) || !isLink(text) {
			return nil
		}
	}
	p.next, p.param = text, param
	return nil
}

// flag reads whether there are more pages.
func (p *terracottaPage) flag(dec *jsontext.Decoder) (bool, error) {
	switch dec.PeekKind() {
	case 't':
		p.more = true
	case 'f':
		p.last = true
	default:
		return false, nil
	}
	return true, dec.SkipValue()
}

// failure reads an error that came with a status of success.
func (p *terracottaPage) failure(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch text := strings.Join(strings.Fields(string(v)), ""); text {
	case "null", "false", "[]", "{}", `""`:
		return nil
	}
	return fmt.Errorf("it is an error: %.200s", v)
}

func number(dec *jsontext.Decoder, to *int) (bool, error) {
	if dec.PeekKind() != '0' {
		return false, nil
	}
	text, err := textOf(dec)
	if err != nil {
		return true, err
	}
	if n, err := strconv.Atoi(text); err == nil {
		*to = n
	}
	return true, nil
}

func isLink(next string) bool {
	return strings.Contains(next, "://") || strings.HasPrefix(next, "/") || strings.HasPrefix(next, "?")
}

// following returns the next page, nil when this is the last. param overrides what
// a cursor belongs to.
func (p *terracottaPage) following(u *url.URL, param string) (*url.URL, error) {
	next, own := p.next, p.param
	if next == "" && p.page > 0 && p.page < p.pages {
		next, own = strconv.Itoa(p.page+1), "page"
	}
	switch {
	case next == "" && (p.more || p.pages > 1 && p.page == 0):
		return nil, errors.New("it says that there are more entries, and not where: set next to the path of the next page")
	case next == "" || p.last && !p.more:
		return nil, nil
	case isLink(next):
		return nextOn(u, next)
	}
	if param != "" {
		own = param
	}
	if own == "" {
		return nil, fmt.Errorf("the next page %.20q belongs to no parameter: set next_param", next)
	}
	out := *u
	query := out.Query()
	query.Set(own, next)
	out.RawQuery = query.Encode()
	return &out, nil
}
