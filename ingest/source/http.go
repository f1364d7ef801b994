package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/time/rate"
)

// maxBody is the largest answer that is read; more than 60,000 events fit in it.
const maxBody = 64 << 20

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxBody>>20)

// A caller makes the requests of one source: no faster than its limit, patient
// with a server in trouble, and never longer than it was told.
type caller struct {
	http      *http.Client
	limit     *rate.Limiter
	authorize func(*http.Request) // says who asks; newCaller sets the token setting as bearer
	agent     string
	retry     Retry
	now       func() time.Time
	random    func() float64
	requests  int // made so far, failed ones included
}

// newCaller returns a caller that makes at most perSecond requests a second.
func newCaller(c Config, perSecond float64) *caller {
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	out := &caller{
		agent:  cmp.Or(c.UserAgent, "exhibit"),
		now:    c.Now,
		random: c.Random,
		retry: Retry{Times: cmp.Or(c.Retry.Times, 6), Min: cmp.Or(c.Retry.Min, 500*time.Millisecond),
			Max: cmp.Or(c.Retry.Max, time.Minute), Timeout: cmp.Or(c.Retry.Timeout, time.Minute)},
	}
	bearer := "Bearer " + c.Settings["token"]
	out.authorize = func(r *http.Request) { r.Header.Set("Authorization", bearer) }
	if out.now == nil {
		out.now = time.Now
	}
	if out.random == nil {
		out.random = rand.Float64
	}
	out.limit = rate.NewLimiter(rate.Limit(perSecond), 1)
	out.http = &http.Client{
		Transport: transport,
		Timeout:   out.retry.Timeout, // of one attempt, its body included
		// An API does not redirect; whoever does (a captive portal) is not the API.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return out
}

// turn waits until a request may be made. That is before an attempt and not in it: it
// may take longer than an attempt has time.
func (c *caller) turn(ctx context.Context) error {
	if err := c.limit.Wait(ctx); err != nil {
		return err
	}
	c.requests++
	return nil
}

// get fetches u and hands the whole body to read. An answer that does not arrive
// whole, or that read returns an error for, is asked for again like one that does
// not arrive at all. It returns the error of the last attempt.
func (c *caller) get(ctx context.Context, u string, read func(header http.Header, body []byte) error) error {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	c.authorize(req.Request)
	return c.send(req, read)
}

// post is get for a question in JSON, which every attempt sends anew.
func (c *caller) post(ctx context.Context, u string, question []byte, read func(header http.Header, body []byte) error) error {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, u, question)
	if err != nil {
		return err
	}
	c.authorize(req.Request)
	req.Header.Set("Content-Type", "application/json")
	return c.send(req, read)
}

// send is get and post for a request that says by itself who asks.
func (c *caller) send(req *retryablehttp.Request, read func(header http.Header, body []byte) error) error {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	req.SetResponseHandler(func(resp *http.Response) error {
		if err := refused(resp); err != nil {
			return err
		}
		body, err := wholeBody(resp)
		if err != nil {
			return err
		}
		return read(resp.Header, body)
	})
	client := retryablehttp.Client{
		HTTPClient: c.http, RetryMax: c.retry.Times, RetryWaitMin: c.retry.Min, RetryWaitMax: c.retry.Max,
		CheckRetry: again, Backoff: c.wait, ErrorHandler: giveUp,
		PrepareRetry: func(r *http.Request) error { return c.turn(r.Context()) },
	}
	if err := c.turn(req.Context()); err != nil {
		return err
	}
	resp, err := client.Do(req)
	if resp != nil {
		resp.Body.Close() // read to the end or given up: nothing to learn from an error
	}
	return withoutQuery(err)
}

// withoutQuery takes the query out of the address that an error names: a vendor
// may put a secret into the address of a next page.
func withoutQuery(err error) error {
	if named := (*url.Error)(nil); errors.As(err, &named) {
		named.URL, _, _ = strings.Cut(named.URL, "?")
	}
	return err
}

// A finalError is not worth another attempt.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// again decides whether an attempt is repeated.
func again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if final := (finalError{}); errors.As(err, &final) {
		return false, final.error
	}
	if err != nil && resp != nil {
		return true, nil
	}
	return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
}

// giveUp makes the error after the last attempt.
func giveUp(resp *http.Response, err error, attempts int) (*http.Response, error) {
	if err == nil {
		err = fmt.Errorf("the server answered %q", resp.Status)
	}
	err = withoutQuery(err)
	if attempts > 1 {
		err = fmt.Errorf("after %d attempts: %w", attempts, err)
	}
	return resp, err
}

// refused returns the error for an answer that brings no data.
func refused(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
		return nil
	case status >= 300 && status < 400:
		return finalError{fmt.Errorf("the server answered %q and points elsewhere: check the url setting", resp.Status)}
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // best effort: only words for the error
	words := strings.Map(func(r rune) rune {
		if r < ' ' || r == '\uFFFD' {
			return ' '
		}
		return r
	}, string(body))
	return finalError{&statusError{Code: resp.StatusCode, Status: resp.Status, Words: strings.TrimSpace(words)}}
}

// A statusError is a refusal that newer attempts would meet again. What its code
// means, the kind knows, but for 401: that is ErrToken.
type statusError struct {
	Code          int
	Status, Words string // of the answer; up to 512 bytes of its body
}

// Is makes a 401 an ErrToken.
func (e *statusError) Is(target error) bool {
	return e.Code == http.StatusUnauthorized && target == ErrToken
}

func (e *statusError) Error() string {
	if e.Code == http.StatusUnauthorized {
		return ErrToken.Error()
	}
	return fmt.Sprintf("the server answered %q: %s", e.Status, e.Words)
}

func wholeBody(resp *http.Response) ([]byte, error) {
	if resp.ContentLength > maxBody {
		return nil, finalError{errTooLarge}
	}
	var b bytes.Buffer
	b.Grow(int(max(resp.ContentLength, 0)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case n > maxBody:
		return nil, finalError{errTooLarge}
	case err != nil:
		return nil, fmt.Errorf("the answer ended after %d bytes: %w", n, err)
	}
	return b.Bytes(), nil
}

// wait returns how long to wait before the next attempt: as long as the server
// says, within the bounds, else longer from time to time and never quite the same.
func (c *caller) wait(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) {
		if d, ok := c.told(resp.Header); ok {
			return min(max(d, least), most)
		}
	}
	d := float64(least) * math.Pow(2, float64(attempt))
	return min(time.Duration(min(d, float64(most))*(0.5+c.random())), most)
}

// told returns how long the server asks to wait.
func (c *caller) told(h http.Header) (time.Duration, bool) {
	after := h.Get("Retry-After")
	if date, err := http.ParseTime(after); err == nil {
		return date.Sub(c.serverTime(h)), true
	}
	if after == "" {
		if reset, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64); err == nil { // Okta's, in seconds since 1970
			return time.Unix(reset, 0).Sub(c.serverTime(h)), true
		}
		after = h.Get("X-RateLimit-Reset")
	}
	seconds, err := strconv.ParseFloat(after, 64)
	if err != nil || !(seconds >= 0 && seconds < 1e9) { // not a number of seconds, but perhaps NaN or a date
		return 0, false
	}
	return time.Duration(min(seconds, 1e6) * float64(time.Second)), true
}

// serverTime is the time by the clock that made the dates of an answer.
func (c *caller) serverTime(h http.Header) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return c.now()
}

// apiURL checks the base of an API. A token must not travel in the clear, except
// within this machine.
func apiURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("setting url: want something like https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("setting url: want https://host and perhaps a path, without user, query or fragment")
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, fmt.Errorf("setting url: %s: want https, so that the token cannot be read on the way", u.Redacted())
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
