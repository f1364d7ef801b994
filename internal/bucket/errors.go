package bucket

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"gocloud.dev/gcerrors"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
)

// Refused reports whether a store refuses the credentials, or these may not do what
// was asked: a person has to change something. gcerrors has no such answer: for it, a
// bucket of Google that may not be listed is not there, and Azure's refusals are
// unknown.
func Refused(err error) bool {
	if gcerrors.Code(err) == gcerrors.PermissionDenied {
		return true
	}
	var amazon interface {
		error
		ErrorCode() string
	}
	if errors.As(err, &amazon) {
		return slices.Contains([]string{"AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "Forbidden"}, amazon.ErrorCode())
	}
	var google *googleapi.Error
	if errors.As(err, &google) {
		return google.Code == http.StatusUnauthorized || google.Code == http.StatusForbidden && !slow(google)
	}
	var token *oauth2.RetrieveError
	if errors.As(err, &token) {
		return token.Response != nil && token.Response.StatusCode < http.StatusInternalServerError && token.Response.StatusCode != http.StatusTooManyRequests
	}
	var azure *azcore.ResponseError
	if errors.As(err, &azure) {
		return azure.StatusCode == http.StatusUnauthorized || azure.StatusCode == http.StatusForbidden
	}
	var identity *azidentity.AuthenticationFailedError
	return errors.As(err, &identity)
}

// slow reports whether Google means by its refusal that there were too many requests.
func slow(err *googleapi.Error) bool {
	return slices.ContainsFunc(err.Errors, func(i googleapi.ErrorItem) bool {
		return strings.HasSuffix(strings.ToLower(i.Reason), "ratelimitexceeded")
	})
}

// A storeError says in one line what a store answered.
type storeError struct {
	text string
	err  error
}

func (e *storeError) Error() string { return e.text }
func (e *storeError) Unwrap() error { return e.err }

// Clear returns an error of a store in one line and without the query of a URL, which
// may hold a token.
func Clear(err error) error {
	if err == nil {
		return nil
	}
	var azure *azcore.ResponseError
	var failed *url.Error
	switch {
	case errors.As(err, &azure):
		text := azure.ErrorCode
		if text == "" {
			text = "no further words"
		}
		text = "Azure answered " + http.StatusText(azure.StatusCode) + ": " + text
		if azure.RawResponse != nil && azure.RawResponse.Request != nil {
			text += " (" + azure.RawResponse.Request.Method + " " + bare(azure.RawResponse.Request.URL) + ")"
		}
		return &storeError{text, err}
	case errors.As(err, &failed):
		at := failed.URL
		if u, parsed := url.Parse(at); parsed == nil {
			at = bare(u)
		}
		return &storeError{failed.Op + " " + at + ": " + failed.Err.Error(), err}
	}
	return &storeError{strings.Join(strings.Fields(err.Error()), " "), err}
}

// bare is a URL without its query.
func bare(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }
