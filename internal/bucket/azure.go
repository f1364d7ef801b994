package bucket

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
)

// openAzure opens azblob://CONTAINER?storage_account=ACCOUNT. Credentials are those
// that azureblob knows: a key, a connection string, a SAS token, or an identity.
func openAzure(ctx context.Context, u *url.URL) (*blob.Bucket, error) {
	options := azureblob.NewDefaultServiceURLOptions()
	query := u.Query()
	if options.SASToken != "" { // it is a part of each request's URL
		for _, name := range []string{"domain", "protocol", "cdn", "localemu"} {
			if query.Has(name) {
				return nil, errors.New("the URL has " + name + " and AZURE_STORAGE_SAS_TOKEN is set: the token would go to another server; say it in the environment (AZURE_STORAGE_" + strings.ToUpper(name) + ")")
			}
		}
	}
	if options.AccountName == "" && query.Get("storage_account") == "" {
		return nil, errors.New("it does not say the storage account: azblob://CONTAINER?storage_account=ACCOUNT, or AZURE_STORAGE_ACCOUNT in the environment")
	}
	opener := azureblob.URLOpener{MakeClient: azureClient, ServiceURLOptions: *options}
	return opener.OpenBucketURL(ctx, u)
}

// azureClient is azureblob.NewDefaultClient with our transport and policy.
func azureClient(service azureblob.ServiceURL, name azureblob.ContainerName) (*container.Client, error) {
	address, err := url.JoinPath(string(service), string(name))
	if err != nil {
		return nil, err
	}
	// Objects are read as they are stored: a transport that takes gzip by itself gives
	// other bytes than those that the listing has the size of.
	plain := transport()
	plain.DisableCompression = true
	options := &container.ClientOptions{}
	options.Transport = &http.Client{Transport: plain}
	options.PerCallPolicies = []policy.Policy{azureNames{}}

	account, key := os.Getenv("AZURE_STORAGE_ACCOUNT"), os.Getenv("AZURE_STORAGE_KEY")
	connection := os.Getenv("AZURE_STORAGE_CONNECTION_STRING")
	if connection == "" {
		connection = os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING")
	}
	switch {
	case account != "" && key != "":
		shared, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, errors.New("AZURE_STORAGE_KEY is not a key of a storage account, which is base64")
		}
		return container.NewClientWithSharedKeyCredential(address, shared, options)
	case os.Getenv("AZURE_STORAGE_SAS_TOKEN") != "":
		return container.NewClientWithNoCredential(address, options)
	case connection != "":
		return container.NewClientFromConnectionString(connection, string(name), options)
	}
	identity, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(address, identity, options)
}

// azureNames gives Azure the names that objects have. azureblob writes characters in
// another way that Azure takes very well, and objects of others that have such names
// could be listed and not read.
type azureNames struct{}

var azureEscape = regexp.MustCompile(`__0x(22|23|25|3f)__`) // " # % ?

func (azureNames) Do(req *policy.Request) (*http.Response, error) {
	u := req.Raw().URL
	if path := azureEscape.ReplaceAllStringFunc(u.EscapedPath(), percent); path != u.EscapedPath() {
		var err error
		if u.Path, err = url.PathUnescape(path); err != nil {
			return nil, err
		}
		u.RawPath = path
	}
	// In a query the name is escaped once more, and this is the same there.
	u.RawQuery = azureEscape.ReplaceAllStringFunc(u.RawQuery, percent)
	return req.Next()
}

// percent turns __0x25__ into %25.
func percent(escaped string) string {
	code, err := strconv.ParseUint(strings.Trim(escaped, "_")[2:], 16, 8)
	if err != nil {
		return escaped // the expression lets nothing else through
	}
	return "%" + strings.ToUpper(strconv.FormatUint(code, 16))
}
