package source

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/time/rate"
)

// walkDepth is how deep the frame of a page goes: what is further inside are records.
const walkDepth = 4

// walk reads the answer of an API and hands its members to member by their paths
// from the top, "meta.page.after"; an answer that is no object has the path "".
// member says whether it read the value. An object that it leaves is walked into,
// anything else is passed over. Bytes and names inside of records do not matter
// here: one bad record must not hide the others.
func walk(body []byte, member func(path string, dec *jsontext.Decoder) (bool, error)) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	err := walkValue(dec, "", 0, member)
	if err == nil {
		if _, end := dec.ReadToken(); end != io.EOF {
			err = errors.New("more follows the end")
		}
	}
	if err != nil {
		return fmt.Errorf("the answer is not a page of events: %s", detail(err))
	}
	return nil
}

func walkValue(dec *jsontext.Decoder, path string, depth int, member func(path string, dec *jsontext.Decoder) (bool, error)) error {
	if path != "" || dec.PeekKind() != '{' {
		if taken, err := member(path, dec); taken || err != nil {
			return err
		}
	}
	if dec.PeekKind() != '{' || depth == walkDepth {
		return dec.SkipValue()
	}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() == '"' {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err != nil {
			break
		}
		inner := name.String()
		if path != "" {
			inner = path + "." + inner
		}
		err = walkValue(dec, inner, depth+1, member)
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return err
}

// textOf reads a value that is a text or a number, as text; it is empty when the value is null.
func textOf(dec *jsontext.Decoder) (string, error) {
	switch kind := dec.PeekKind(); kind {
	case '"', '0', 'n':
		token, err := dec.ReadToken()
		if err != nil || kind == 'n' {
			return "", err
		}
		return token.String(), nil
	}
	return "", errors.New("a value is neither a text nor a number")
}

// nextOn resolves a link to the next page. A token must not go to another host than
// the one it was given for.
func nextOn(base *url.URL, link string) (*url.URL, error) {
	u, err := base.Parse(link)
	if err != nil {
		return nil, errors.New("the link to the next page is not an address")
	}
	if u.Scheme != base.Scheme || !strings.EqualFold(u.Host, base.Host) {
		return nil, fmt.Errorf("the next page is said to be on %s://%s, and the token is for %s://%s only: check the url setting",
			u.Scheme, u.Host, base.Scheme, base.Host)
	}
	return u, nil
}

// budgetSetting is the setting for how often a source may be asked.
func budgetSetting(perHour int) Setting {
	return Setting{Name: "requests_per_hour", Type: Number, Default: strconv.Itoa(perHour), Doc: "how many requests the vendor is asked at most"}
}

// budget sets how many requests an hour the source may be asked: its setting, or
// the kind's default. A part of them may come at once.
func (c *caller) budget(config Config, perHour int) error {
	text := cmp.Or(config.Settings["requests_per_hour"], strconv.Itoa(perHour))
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000_000 {
		return errors.New("setting requests_per_hour: want a number from 1 to 10000000")
	}
	c.limit = rate.NewLimiter(rate.Limit(float64(n)/3600), max(n/10, 1))
	return nil
}

// codeOf returns the status of a refusal, 0 when the error is none.
func codeOf(err error) int {
	if refusal := (*statusError)(nil); errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}
