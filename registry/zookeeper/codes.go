package zookeeper

import "errors"

// What servers refuse, of that for which the library has only a number.
var (
	errSystem    = errors.New("the server failed")
	errOld       = errors.New("the server does not know the request, as those before 3.5 do not")
	errReadOnly  = errors.New("the server is cut off from the ensemble, and may only be read")
	errSASL      = errors.New("the server wants SASL, which is not spoken here")
	errQuota     = errors.New("the quota of a node above is exceeded")
	errThrottled = errors.New("the server has too much to do")
)

// inWords is a server's error in words.
func inWords(err error) error {
	if err == nil {
		return nil
	}
	switch err.Error() {
	case "unknown error: -1":
		return errSystem
	case "unknown error: -6":
		return errOld
	case "unknown error: -119":
		return errReadOnly
	case "unknown error: -124":
		return errSASL
	case "unknown error: -125":
		return errQuota
	case "unknown error: -127":
		return errThrottled
	}
	return err
}
