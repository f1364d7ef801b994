package source

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Setting is one thing to configure of a source.
type Setting struct {
	Name     string
	Doc      string
	Type     SettingType
	Values   []string // what may be given; empty: anything of the type
	Default  string
	Required bool
	Secret   bool // never shown, never logged
}

// A SettingType says what a value is.
type SettingType string

// Types of settings. The zero type is any text.
const (
	Text   SettingType = ""
	URL    SettingType = "URL"      // https, or http where the host is the machine itself
	Number SettingType = "number"   // from 1 on
	Length SettingType = "duration" // 90m, 48h
	File   SettingType = "file"     // path of one, meant from where the configuration is
)

// Help says what the setting is, and what may be chosen.
func (s *Setting) Help() string {
	if len(s.Values) == 0 {
		return s.Doc
	}
	return s.Doc + "; one of " + strings.Join(s.Values, ", ")
}

// Wants says in a word what may be given.
func (s *Setting) Wants() string {
	switch {
	case len(s.Values) > 0:
		return "choice"
	case s.Type == Text:
		return "text"
	}
	return string(s.Type)
}

// check returns what is wrong with a value, which may be a secret: no error says it.
func (s *Setting) check(value string) error {
	wrong := func(want string) error { return fmt.Errorf("setting %s: want %s", s.Name, want) }
	if len(s.Values) > 0 && !slices.Contains(s.Values, value) {
		return wrong("one of " + strings.Join(s.Values, ", "))
	}
	switch s.Type {
	case URL:
		if u, err := url.Parse(value); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return wrong("an address such as https://api.example.com")
		}
	case Number:
		if n, err := strconv.Atoi(value); err != nil || n < 1 {
			return wrong("a number from 1 on")
		}
	case Length:
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return wrong("a duration such as 90m or 48h")
		}
	}
	return nil
}

// CheckSettings returns what is wrong with the settings of a source of this kind.
func (k *Kind) CheckSettings(settings map[string]string) error {
	var errs []error
	for i := range k.Settings {
		s := &k.Settings[i]
		value, given := settings[s.Name]
		switch {
		case s.Required && value == "":
			errs = append(errs, fmt.Errorf("%s: setting %q is missing: %s", k.Name, s.Name, s.Doc))
		case given && value != "":
			if err := s.check(value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", k.Name, err))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.ContainsFunc(k.Settings, func(s Setting) bool { return s.Name == name }) {
			errs = append(errs, fmt.Errorf("%s: there is no setting %q", k.Name, name))
		}
	}
	return errors.Join(errs...)
}
