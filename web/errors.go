package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

// ErrNotFound is what the interfaces of Deps answer for something that is not there.
var ErrNotFound = errors.New("not found")

// An InputError is a request that cannot be answered as it was made. Its sentence
// is shown to the person: say what is wrong and what to do.
type InputError struct{ Sentence string }

func (e *InputError) Error() string { return e.Sentence }

func badInput(format string, args ...any) error {
	return &InputError{Sentence: fmt.Sprintf(format, args...)}
}

// A Problem is an error with the page that is shown for it. Cause goes to the log
// only.
type Problem struct {
	Status            int
	Heading, Sentence string
	Help              []string
	Link              *views.Link
	Cause             error
}

func (p *Problem) Error() string {
	if p.Cause != nil {
		return fmt.Sprintf("%s: %v", p.Heading, p.Cause)
	}
	return p.Heading
}

func (p *Problem) Unwrap() error { return p.Cause }

func linkTo(text, path string) *views.Link { return &views.Link{Text: text, Path: path} }

// problemOf is the one place where errors become pages.
func problemOf(err error) *Problem {
	var problem *Problem
	var input *InputError
	var routing *echo.HTTPError
	var tooLarge *http.MaxBytesError
	home := linkTo("Go to the first page", "/")
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &input):
		return &Problem{Status: http.StatusBadRequest, Heading: "That does not work", Sentence: input.Sentence, Cause: err}
	case errors.Is(err, ErrNotFound):
		return &Problem{Status: http.StatusNotFound, Heading: "Not found",
			Sentence: "There is nothing at this address, or it is not there any more.", Link: home, Cause: err}
	case errors.As(err, &tooLarge):
		return &Problem{Status: http.StatusRequestEntityTooLarge, Heading: "Too large", Sentence: "No form of ours sends so much.", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{Status: http.StatusServiceUnavailable, Heading: "This took too long",
			Sentence: "The store did not answer in time. Nothing was lost.",
			Help:     []string{"Choose a shorter period or one source.", "Try again in a minute."}, Cause: err}
	case errors.As(err, &routing):
		return routingProblem(routing, home)
	}
	return &Problem{Status: http.StatusInternalServerError, Heading: "Something went wrong here",
		Sentence: "The page could not be made. Nothing was changed or lost.",
		Help:     []string{"Try again in a minute.", "If it stays so, give the administrator the number below: the log has the reason."},
		Cause:    err}
}

func routingProblem(err *echo.HTTPError, home *views.Link) *Problem {
	switch err.Code {
	case http.StatusNotFound:
		return &Problem{Status: err.Code, Heading: "Not found", Sentence: "There is no page at this address.", Link: home, Cause: err}
	case http.StatusMethodNotAllowed:
		return &Problem{Status: err.Code, Heading: "Not like this", Sentence: "This address does not take that kind of request.", Link: home, Cause: err}
	case http.StatusRequestEntityTooLarge:
		return &Problem{Status: err.Code, Heading: "Too large", Sentence: "No form of ours sends so much.", Cause: err}
	}
	return &Problem{Status: http.StatusBadRequest, Heading: "That does not work", Sentence: "The request could not be understood.", Link: home, Cause: err}
}

// showError answers with the page of an error. Echo may call it twice for one
// request; the second call finds the answer sent.
func (s *server) showError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if c.Request().Context().Err() == context.Canceled {
		c.Response().Status = 499 // the reader has gone: for the log only
		return
	}
	// What stops at the deadline does not always say so.
	if late := c.Request().Context().Err(); late != nil {
		err = errors.Join(err, late)
	}
	p := problemOf(err)
	m := views.Message{Heading: p.Heading, Sentence: p.Sentence, Help: p.Help, Link: p.Link}
	if p.Status >= 500 {
		m.RequestID = requestID(c)
	}
	if err := s.renderStatus(c, p.Status, views.Page{Title: p.Heading}, views.MessagePage(m)); err != nil {
		s.Log.Error("error page", "request", requestID(c), "error", err)
	}
}
