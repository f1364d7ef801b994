package buckettest

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"exhibit/internal/bucket"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// AzuriteAddress names an environment variable for the address of a running Azurite,
// such as http://127.0.0.1:10000. Azurite is a program of Node.js with hundreds of
// packages; it is not installed for tests.
const AzuriteAddress = "EXHIBIT_AZURITE"

// The account that every Azurite has, as its documentation says.
const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azure makes a container of a random name in the Azurite that the environment names,
// and returns its address. Without one the test is skipped.
func Azure(t testing.TB) string {
	t.Helper()
	address := AzureURL(t, "t"+strings.ToLower(rand.Text()))
	b, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var client *container.Client
	if !b.As(&client) {
		t.Fatalf("%s is not a container of Azure", address)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return address
}

// AzureURL returns the address of a container, whether it is there or not.
func AzureURL(t testing.TB, name string) string {
	t.Helper()
	at := os.Getenv(AzuriteAddress)
	if at == "" {
		t.Skip("buckettest: " + AzuriteAddress + " does not name an Azurite")
	}
	return AzureAt(t, at, name)
}

// AzureAt returns the address of a container of a server at a URL, with the account of
// every Azurite.
func AzureAt(t testing.TB, at, name string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	// Where URLs give no credentials, the environment does; all tests have the same.
	for name, value := range map[string]string{"AZURE_STORAGE_ACCOUNT": azuriteAccount, "AZURE_STORAGE_KEY": azuriteKey} {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	return "azblob://" + name + "?protocol=" + u.Scheme + "&domain=" + u.Host
}
