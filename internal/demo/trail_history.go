package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The shape of a CloudTrail record.
type (
	awsCall struct {
		Version    string         `json:"eventVersion"`
		Identity   awsIdentity    `json:"userIdentity"`
		Time       string         `json:"eventTime"`
		Source     string         `json:"eventSource"`
		Name       string         `json:"eventName"`
		Region     string         `json:"awsRegion"`
		Address    string         `json:"sourceIPAddress"`
		Agent      string         `json:"userAgent"`
		ErrorCode  string         `json:"errorCode,omitempty"`
		ErrorWords string         `json:"errorMessage,omitempty"`
		Parameters map[string]any `json:"requestParameters"`
		Response   map[string]any `json:"responseElements"`
		More       map[string]any `json:"additionalEventData,omitempty"`
		RequestID  string         `json:"requestID"`
		ID         string         `json:"eventID"`
		ReadOnly   bool           `json:"readOnly"`
		Type       string         `json:"eventType"`
		Management bool           `json:"managementEvent"`
		Recipient  string         `json:"recipientAccountId"`
		Category   string         `json:"eventCategory"`
	}
	awsIdentity struct {
		Type      string      `json:"type"`
		Principal string      `json:"principalId"`
		ARN       string      `json:"arn"`
		Account   string      `json:"accountId"`
		Session   *awsSession `json:"sessionContext,omitempty"`
	}
	awsSession struct {
		Issuer map[string]string `json:"sessionIssuer"`
	}
)

// awsWork is what Terraform's runs and people do in the account: service, call, what
// it is done to, and how often.
var awsWork = []struct {
	service, name, parameter, value string
	times                           int
}{
	{"ec2", "AuthorizeSecurityGroupIngress", "groupId", "sg-0f1e2d3c", 4},
	{"ec2", "RunInstances", "instanceType", "m7g.large", 6},
	{"ec2", "TerminateInstances", "instanceId", "i-0a1b2c3d", 5},
	{"rds", "ModifyDBInstance", "dBInstanceIdentifier", "payments-ledger", 3},
	{"s3", "PutBucketPolicy", "bucketName", "fernhill-data-lake", 3},
	{"s3", "PutBucketEncryption", "bucketName", "fernhill-data-lake", 2},
	{"lambda", "UpdateFunctionCode20150331v2", "functionName", "parcel-labels", 8},
	{"eks", "UpdateNodegroupConfig", "clusterName", "platform", 4},
	{"iam", "AttachRolePolicy", "roleName", "payments-api", 3},
	{"iam", "CreateRole", "roleName", "data-ingest", 2},
	{"iam", "CreateAccessKey", "userName", "legacy-ftp", 1},
	{"kms", "EnableKeyRotation", "keyId", "alias/payments", 1},
	{"secretsmanager", "GetSecretValue", "secretId", "payments/database", 12},
	{"cloudtrail", "GetTrailStatus", "name", "all-regions", 1},
}

// calls returns what happened in the AWS account from <= time < to, in order.
func (h History) calls(from, to time.Time) []awsCall {
	rng := rand.New(rand.NewPCG(h.Seed^0xa35, uint64(from.Unix())))
	var out []awsCall
	for range int(h.rate(from)/3 + rng.Float64()) {
		at := from.Add(time.Duration(rng.Int64N(int64(to.Sub(from)/time.Second))) * time.Second)
		if rng.IntN(6) == 0 && h.office(at) {
			out = append(out, awsSignIn(rng, at))
		} else {
			out = append(out, awsChange(rng, at))
		}
	}
	slices.SortStableFunc(out, func(a, b awsCall) int { return strings.Compare(a.Time, b.Time) })
	return out
}

func newCall(rng *rand.Rand, at time.Time, role, session string) awsCall {
	principal := "AROA" + strings.ToUpper(role[:4]) + "EXAMPLE"
	return awsCall{Version: "1.11", Time: at.UTC().Format(time.RFC3339), Region: trailRegion,
		Identity: awsIdentity{"AssumedRole", principal + ":" + session, "arn:aws:sts::" + trailAccount + ":assumed-role/" + role + "/" + session, trailAccount,
			&awsSession{map[string]string{"type": "Role", "principalId": principal, "arn": "arn:aws:iam::" + trailAccount + ":role/" + role, "accountId": trailAccount, "userName": role}}},
		RequestID: string(appendUUID(nil, rng)), ID: string(appendUUID(nil, rng)), Type: "AwsApiCall", Management: true, Recipient: trailAccount, Category: "Management"}
}

func awsSignIn(rng *rand.Rand, at time.Time) awsCall {
	n := rng.IntN(len(peopleNames))
	c := newCall(rng, at, "AWSReservedSSO_Engineer", strings.ReplaceAll(peopleNames[n], "-", ".")+"@fernhill.example")
	c.Source, c.Name, c.Type, c.Address = "signin.amazonaws.com", "ConsoleLogin", "AwsConsoleSignIn", fmt.Sprintf("198.51.100.%d", 20+n)
	c.Agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	c.Response, c.More = map[string]any{"ConsoleLogin": "Success"}, map[string]any{"MFAUsed": "No", "MobileVersion": "No"}
	return c
}

func awsChange(rng *rand.Rand, at time.Time) awsCall {
	total := 0
	for _, w := range awsWork {
		total += w.times
	}
	pick := rng.IntN(total)
	for _, w := range awsWork {
		if pick -= w.times; pick >= 0 {
			continue
		}
		c := newCall(rng, at, "terraform-runs", "run-"+string(appendID(nil, rng)))
		c.Source, c.Name, c.Address, c.Agent = w.service+".amazonaws.com", w.name, "192.0.2.80", "APN/1.0 HashiCorp/1.0 Terraform/1.13.5"
		c.Parameters = map[string]any{w.parameter: w.value}
		c.ReadOnly = strings.HasPrefix(w.name, "Get")
		if rng.IntN(30) == 0 {
			c.ErrorCode, c.ErrorWords = "AccessDenied", "User is not authorized to perform this operation"
		}
		return c
	}
	panic("the weights above do not add up")
}
