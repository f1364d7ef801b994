package source

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	at := func(nsec int) time.Time { return time.Date(2024, 1, 18, 19, 50, 55, nsec, time.UTC) }
	for s, want := range map[string]time.Time{
		"2024-01-18T19:50:55Z":                       at(0),
		"2024-01-18T19:50:55.1234567Z":               at(123456700),
		"2024-01-18T19:50:55.123456789Z":             at(123456789),
		"2024-01-18T19:50:55.1234567899999Z":         at(123456789),
		"2024-01-18T20:50:55+01:00":                  at(0),
		"2024-01-18T20:50:55.5+0100":                 at(500000000),
		"2024-01-18T19:50:55.577846":                 at(577846000),
		"2024-01-18T19:50:55":                        at(0),
		"2024-01-18 19:50:55.015":                    at(15000000),
		"2024-01-18 19:50:55 +0000 UTC":              at(0),
		"2024-01-18 20:50:55.25 +0100 CET":           at(250000000),
		"2024-01-18 19:50:55.904 Z":                  at(904000000),
		"2024-01-18 19:50:55+00:00":                  at(0),
		"2024-01-18 19:50:55 UTC":                    at(0),
		"1/18/2024 7:50:55 PM":                       at(0),
		"Thu, 18 Jan 2024 19:50:55 GMT":              at(0),
		"2024-01-18 19:50:55.25 +0000 UTC m=+0.0123": at(250000000),
		"1/18/2024 8:50:55 PM +01:00":                at(0),
		"2024-01-18t19:50:55.5z":                     at(500000000),
		"20240118T195055Z":                           at(0),
		"2024-01-18T19:50Z":                          at(-55000000000),
		"Thu Jan 18 19:50:55 2024":                   at(0),
		"Thu Jan 18 19:50:55 UTC 2024":               at(0),
		"Thu Jan 18 20:50:55 +0100 2024":             at(0),
		"1705607455":                                 at(0),
		"1705607455.25":                              at(250000000),
		"1705607455250":                              at(250000000),
		"1705607455250.0":                            at(250000000),
		"1.70560745525e12":                           at(250000000),
		"1705607455250001":                           at(250001000),
		"1705607455250001002":                        at(250001002),
		"1705607455.1234567899":                      at(123456789),
		"1705607455250.1234567":                      at(250123456),
		"2024-01-18T19:50:55.999999999999999Z":       at(999999999),
	} {
		got, err := parseTime(s)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("parseTime(%q): got %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "2024-01-18", "2024-13-18T19:50:55Z", "2024-01-18 19:50:55 PST", "-5", "1e400", "NaN", "0x10", "12.3.4", "1e", ".", "2026.000", "20260301"} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("parseTime(%q): got %v, want an error", s, got)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseTimeIn("2024-01-18 20:50:55", berlin); err != nil || !got.Equal(at(0)) {
		t.Errorf("a time without a zone in Berlin: got %v, %v", got, err)
	}
	if got, err := parseTimeIn("2024-01-18T19:50:55Z", berlin); err != nil || !got.Equal(at(0)) {
		t.Errorf("a time with a zone in Berlin: got %v, %v", got, err)
	}
}

func TestAddress(t *testing.T) {
	for s, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", " 192.0.2.1 ": "192.0.2.1", "192.0.2.1:443": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8::1": "2001:db8::1", "[2001:db8::1]:443": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "fe80::1%eth0": "fe80::1",
		"2001:DB8:0:0:0:0:0:1": "2001:db8::1", "69.323.323.201": "", "AWS Internal": "", "cloudformation.amazonaws.com": "",
		"": "", "-": "", "[": "", "192.0.2.1, 192.0.2.2": "", "localhost:80": "",
	} {
		if got := address(s); got != want {
			t.Errorf("address(%q): got %q, want %q", s, got, want)
		}
	}
}

// A time that names its zone is not in the source's.
func TestParseTimeIn(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for s, want := range map[string]int{
		"2024-01-18 19:50:55": 18, "1/18/2024 7:50:55 PM": 18,
		"2024-01-18 19:50:55 UTC": 19, "Thu, 18 Jan 2024 19:50:55 GMT": 19, "2024-01-18T19:50:55Z": 19, "Thu Jan 18 19:50:55 UTC 2024": 19,
	} {
		if got, err := parseTimeIn(s, zone); err != nil || got.Hour() != want {
			t.Errorf("%s: got %s, %v; want hour %d", s, got, err, want)
		}
	}
}
