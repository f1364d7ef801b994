package bucket

import (
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A listing begins at the key that is asked for, also in a folder whose name the library
// of the store writes in another way: it would begin behind all that is there.
func TestStartAfter(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", "audit/", "nr#1?/50%/", `say "x"/`, "a b+c/"} {
		for _, of := range []string{"", "all of them/", "100%/"} {
			whole := strings.NewReplacer("#", "__0x23__", "?", "__0x3f__", "%", "__0x25__", `"`, "__0x22__").Replace(of + folder)
			amazon, google, azure := &s3.ListObjectsV2Input{Prefix: &whole}, &storage.Query{Prefix: whole}, &container.ListBlobsHierarchyOptions{Prefix: &whole}
			err := startAfter(folder, folder+"dt=20260310")(func(i any) bool {
				switch of := i.(type) {
				case **s3.ListObjectsV2Input:
					*of = amazon
				case **storage.Query:
					*of = google
				case **container.ListBlobsHierarchyOptions:
					*of = azure
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			want := of + folder + "dt=20260310"
			for store, got := range map[string]string{"s3": *amazon.StartAfter, "google": google.StartOffset, "azure": *azure.StartFrom} {
				if got != want {
					t.Errorf("%s: of %q, in %q it begins at %q", store, of, folder, got)
				}
			}
		}
	}
}
