package ingest_test

import (
	mathrand "math/rand/v2"
	"testing"
	"time"

	"exhibit/ingest/source/vendortest"
)

// An oktaVendor is an Okta organization in a simulation.
type oktaVendor struct {
	*vendortest.Okta
	token string
}

func (o *oktaVendor) Happen(h happening) []byte { return o.Okta.Happen(h.N, h.At, h.Seen) }

func (o *oktaVendor) Trouble(random *mathrand.Rand) {
	o.Okta.Token, o.Twice, o.Timeout, o.Minute, o.Limit, o.Joined = o.token, false, false, 0, 0, false
	if random == nil {
		return
	}
	o.Joined = random.IntN(2) == 0
	switch random.IntN(12) {
	case 0:
		o.Okta.Token = "a new one"
	case 1:
		o.Timeout = true
	case 2:
		o.Minute = 1 + random.IntN(4)
	case 3:
		o.Forget()
	case 4, 5:
		o.Twice = true
	case 6, 7, 8:
		o.Limit = 2 + random.IntN(6)
	}
}

func TestOktaSimulation(t *testing.T) {
	t.Parallel()
	simulations(t, oktaTrial(t))
}

func oktaTrial(t *testing.T) trial {
	okta := kindOf(t, "okta")
	okta.Keeps = 10 * 24 * time.Hour // 90 days, but for the test's time
	return trial{kind: okta, every: 20 * time.Minute,
		settings: map[string]string{"token": "t", "requests_per_hour": "10000000"},
		vendor: func(w *world) vendor {
			return &oktaVendor{&vendortest.Okta{Now: w.now, Keeps: w.keeps, Token: "t"}, "t"}
		}}
}
