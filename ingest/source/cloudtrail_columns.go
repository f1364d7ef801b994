package source

import "strings"

// column reads a member that has another name than in CloudTrail's own files, as
// tables have: those of LookupEvents, Athena, CloudTrail Lake, Microsoft Sentinel, and
// exports that join names with dots. What is said under CloudTrail's own name wins.
func (v *trailRecord) column(f *fields, name string) {
	spelled := smallLetters(name)
	switch spelled {
	case "useridentity":
		f.embedded(v.user.member)
		return
	case "requestparameters":
		f.embedded(v.target.parameter)
		return
	case "responseelements":
		f.embedded(v.answer)
		return
	case "serviceeventdetails":
		f.embedded(v.details)
		return
	case "responseelementsconsolelogin":
		v.answer(f, name)
		return
	case "additionaleventdata":
		f.embedded(v.additional)
		return
	case "insightdetails":
		f.embedded(v.insight.member)
		return
	}
	said := f.value()
	if at := v.columnOf(spelled); at != nil && *at == "" {
		*at = f.string(said)
	}
}

// columnOf returns what a column holds, by its name in small letters without dots and
// underscores; nil: nothing that is asked for.
func (v *trailRecord) columnOf(spelled string) *string {
	switch spelled {
	case "eventid", "awseventid":
		return &v.id
	case "eventtime", "timegenerated":
		return &v.time
	case "eventsource":
		return &v.source
	case "eventname":
		return &v.name
	case "eventtype", "eventtypename":
		return &v.category
	case "awsregion":
		return &v.region
	case "sourceipaddress":
		return &v.ip
	case "useragent":
		return &v.agent
	case "errorcode":
		return &v.errorCode
	case "errormessage":
		return &v.errorMessage
	case "requestid", "awsrequestid":
		return &v.requestID
	case "readonly":
		return &v.readOnly
	case "recipientaccountid":
		return &v.recipient
	case "username":
		return &v.loginName
	}
	return v.user.columnOf(spelled)
}

func (u *trailUser) columnOf(spelled string) *string {
	of, ofUser := strings.CutPrefix(spelled, "useridentity")
	if !ofUser && !strings.HasPrefix(spelled, "session") {
		return nil
	}
	switch strings.TrimPrefix(of, "sessioncontext") {
	case "type":
		return &u.kind
	case "principalid":
		return &u.principal
	case "arn":
		return &u.arn
	case "accountid":
		return &u.account
	case "accesskeyid":
		return &u.accessKey
	case "username":
		return &u.name
	case "invokedby":
		return &u.invokedBy
	case "identityprovider":
		return &u.provider
	case "sessionissuerarn":
		return &u.issuerARN
	case "sessionissuerusername":
		return &u.issuerName
	case "sessionmfaauthenticated", "attributesmfaauthenticated":
		return &u.mfa
	case "sourceidentity":
		return &u.sourceIdentity
	}
	return nil
}
