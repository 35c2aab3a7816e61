// Package verdict says what an error means.
package verdict

import (
	"errors"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

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

// serverSaid tells a missing object (404) and a refusal (403) from everything else.
func serverSaid(err error) Verdict {
	// lab:begin 1 ask k8s.io/apimachinery/pkg/api/errors what it is: Missing, Refused or Unknown
	switch {
	case apierrors.IsNotFound(err):
		return Missing
	case apierrors.IsForbidden(err):
		return Refused
	}
	return Unknown
	// lab:stub return ""
	// lab:end
}

// noAnswer says whether nobody answered: refused, unknown host, bad certificate, timeout.
func noAnswer(err error) bool {
	// lab:begin 2 an answer, even a "no", is an *apierrors.StatusError; what is no answer?
	var noAnswer *url.Error
	return errors.As(err, &noAnswer)
	// lab:stub return false
	// lab:end
}

// wrongURL says whether err is a 404 that is about the URL and not about an object.
func wrongURL(err error) bool {
	// lab:begin 3 both kinds of 404 are IsNotFound; take the Status out of the error and see whose name is in its Details
	var status *apierrors.StatusError
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.ErrStatus.Details
	return details == nil || details.Name == ""
	// lab:stub return false
	// lab:end
}
