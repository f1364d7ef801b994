package bucket

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"
)

// Requests to Google are tried this often. Its library would try for ever, and a
// source that waits says nothing of why.
const googleTries = 4

// openGoogle opens gs://NAME. Parameters are those of gcsblob, and endpoint, the
// address of a private endpoint or of another server that speaks the JSON API.
// Credentials are looked for at each opening: gcsblob would do so once, and go on
// without any when a metadata server was not there yet.
func openGoogle(ctx context.Context, u *url.URL) (*blob.Bucket, error) {
	query := u.Query()
	opener := gcsblob.URLOpener{Client: gcp.NewAnonymousHTTPClient(transport())}
	if endpoint := query.Get("endpoint"); endpoint != "" {
		opener.Options.ClientOptions = append(opener.Options.ClientOptions, option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/storage/v1/"))
		query.Del("endpoint")
	}
	if query.Get("anonymous") == "true" || os.Getenv("STORAGE_EMULATOR_HOST") != "" {
		opener.Options.ClientOptions = append(opener.Options.ClientOptions, option.WithoutAuthentication())
	} else {
		// Tokens are fetched with this context long after the opening.
		credentials, err := gcp.DefaultCredentialsWithParams(context.WithoutCancel(ctx), google.CredentialsParams{UniverseDomain: query.Get("universe_domain")})
		if err != nil {
			return nil, fmt.Errorf("there are no credentials for Google: name a file in GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached: %w", err)
		}
		opener.TokenSource = gcp.CredentialsTokenSource(credentials)
		if opener.Client, err = gcp.NewHTTPClient(transport(), opener.TokenSource); err != nil {
			return nil, err
		}
	}
	at := *u
	at.RawQuery = query.Encode()
	b, err := opener.OpenBucketURL(ctx, &at)
	if err != nil {
		return nil, err
	}
	var client *storage.Client
	if b.As(&client) {
		client.SetRetry(storage.WithMaxAttempts(googleTries), storage.WithBackoff(gax.Backoff{Initial: time.Second, Max: 10 * time.Second, Multiplier: 2}))
	}
	return b, nil
}
