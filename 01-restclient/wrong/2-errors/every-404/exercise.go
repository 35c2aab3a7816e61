// Package verdict is a sample of a typical mistake: wrongURL is content with any 404.
package verdict

import (
	"errors"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// want: Explain says "there is no such resource: the URL is wrong"
// want: wrongURL (step 3) says yes too often

// Verdict is what to tell a user after a request for one object.
type Verdict string

// The verdicts.
const (
	Found    Verdict = "found"
	Missing  Verdict = "the object is missing"
	Refused  Verdict = "you may not do that"
	WrongURL Verdict = "there is no such resource: the URL is wrong"
	NoAnswer Verdict = "the server did not answer"
	Unknown  Verdict = "something else"
)

// Explain puts an error of Do(ctx).Into(...) into words.
func Explain(err error) Verdict {
	switch {
	case err == nil:
		return Found
	case noAnswer(err):
		return NoAnswer
	case wrongURL(err):
		return WrongURL
	}
	return serverSaid(err)
}

func serverSaid(err error) Verdict {
	switch {
	case apierrors.IsNotFound(err):
		return Missing
	case apierrors.IsForbidden(err):
		return Refused
	}
	return Unknown
}

func noAnswer(err error) bool {
	var none *url.Error
	return errors.As(err, &none)
}

func wrongURL(err error) bool { return apierrors.IsNotFound(err) }
