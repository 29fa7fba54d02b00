// Package health answers the questions of load balancers and service managers: is the process well
// (/health), and should it get new clients (/ready)?
//
// One function decides each: [Health.Fault] and [Health.Reasons]. netpoll asks [Health.Answer] for both
// paths on every address, before any limit; [Health.Over] answers the other methods.
//
//	path     200                       503
//	/health  the process serves        it ends, or the store cannot be used
//	/ready   it should get clients     it starts, it ends, or the store cannot be used; the body has the reasons
//
// The package has no mutex.
package health
