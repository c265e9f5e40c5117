/** The name of a method of the Management API. `SQ_AddQueue` has an underscore. */
export const METHOD_NAME = /^\w{1,64}$/;
