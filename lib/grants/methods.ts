import { matchesGlob } from "./arn-like.ts";
import { coversGlob } from "./covers-glob.ts";

/** The form of a method in grants.yml, with `*` and `?` as in principals. */
export const METHOD_PATTERN = /^[\w*?]{1,64}$/;

/**
 * Methods that manage keys, roles, users, subaccounts or credentials, or that return credentials. A
 * caller of one of them can give itself access that lasts. So no wildcard matches them: a grant has
 * to name each in full.
 *
 * @see https://voximplant.com/docs/references/httpapi RoleSystem, Accounts, Users, Secrets,
 *   PushCredentials, DialogflowCredentials, SIPRegistration, AuthorizedIPs; Logon ("a permanent
 *   api_key") and the AdminUser methods are in an earlier edition of that page.
 */
export const sensitiveMethods: readonly string[] = words(`
  AddAccount AddAdminRole AddAdminUser AddAuthorizedAccountIP AddDialogflowKey AddPushCredential
  AddSecret AddSubUser AddUser AttachAdminRole BindDialogflowKeys BindPushCredential
  BindSipRegistration ConfirmAccountPasswordChange CreateKey CreateSipRegistration DelAdminRole
  DelAdminUser DelAuthorizedAccountIP DelDialogflowKey DelPushCredential DelSecret DelSubUser
  DelUser DeleteKey DeleteSipRegistration GetAdminUsers GetDialogflowKeys GetPushCredential
  GetSecretValue Logon Logout RemoveKeyRoles RemoveSubUserRoles SendAccountPasswordChangeRequest
  SetAccountInfo SetAdminRoleInfo SetAdminUserInfo SetChildAccountInfo SetDialogflowKey
  SetKeyRoles SetPushCredential SetSecretInfo SetSubUserInfo SetSubUserRoles SetUserInfo UpdateKey
  UpdateSipRegistration
`);

/** In lower case, because it is not documented whether the platform distinguishes case. */
const sensitiveInLowerCase: ReadonlySet<string> = new Set(sensitiveMethods.map((name) => name.toLowerCase()));

export function isSensitive(method: string): boolean {
  return sensitiveInLowerCase.has(method.toLowerCase());
}

/** Whether a pattern of a grant matches a method's name. Upper and lower case are distinguished. */
export function matchesMethod(pattern: string, method: string): boolean {
  return pattern === method || (!isSensitive(method) && matchesGlob(pattern, method));
}

/** Whether a pattern matches every method that another pattern matches. False if not certain. */
export function coversMethods(wide: string, narrow: string): boolean {
  return wide === narrow || (!isSensitive(narrow) && coversGlob(wide, narrow));
}

/** The words of a text. */
export function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
