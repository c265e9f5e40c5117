import { sensitiveMethods, words } from "./methods.ts";

/**
 * The methods of version 4.11 of the official Node.js client, except the sensitive ones. The
 * platform may have more, so for a name that is missing here, lint only warns.
 */
const others = words(`
  A2PGetSmsHistory A2PSendSms ActivateOutboundTestPhoneNumber AddApplication
  AddOutboundTestPhoneNumber AddPstnBlackListItem AddQueue AddRule AddScenario AddSipWhiteListItem
  AddSkill AddWABPhoneNumber AppendToCallList AttachPhoneNumber BindPhoneNumberToApplication
  BindScenario BindSkill BindUserToQueue CancelCallListBatch CancelCallListTask ChangeAccountPlan
  CheckAuthorizedAccountIP ControlSms CreateCallList DeactivatePhoneNumber DelApplication
  DelCallerID DelKeyValueItem DelOutboundTestPhoneNumber DelPstnBlackListItem DelQueue DelRule
  DelScenario DelSipWhiteListItem DelSkill DeleteCallList DeleteRecord DeleteWABPhoneNumber
  DownloadHistoryReport DownloadInvoice EditCallList EditCallListTask EditCallListTasksPriority
  GetACDHistory GetACDOperatorStatistics GetACDOperatorStatusStatistics GetACDQueueStatistics
  GetACDState GetAccountDocuments GetAccountInfo GetAccountInvoices GetAccountPhoneNumberCountries
  GetAccountPlans GetAccountVerifications GetActualPhoneNumberRegion GetApplications GetAuditLog
  GetAuditLogAsync GetAuthorizedAccountIPs GetAvailablePlans GetAvailableRegulations
  GetBriefCallHistory GetCallHistory GetCallHistoryAsync GetCallListDetails GetCallLists
  GetCallerIDs GetChildrenAccounts GetCountries GetCurrencyRate GetHistoryReports GetKeyRoles
  GetKeyValueItem GetKeyValueItems GetKeyValueKeys GetKeys GetMoneyAmountToCharge
  GetNewPhoneNumbers GetOutboundTestPhoneNumbers GetPhoneNumberCategories
  GetPhoneNumberCountryStates GetPhoneNumberRegions GetPhoneNumberReports GetPhoneNumbers
  GetPhoneNumbersAsync GetPstnBlackList GetQueues GetRecordStorages GetRegions
  GetRegulationsAddress GetResourcePrice GetRoleGroups GetRoles GetRules GetSQState GetScenarios
  GetSecrets GetSipRegistrations GetSipWhiteList GetSkills GetSmartQueueDayHistory
  GetSmartQueueRealtimeMetrics GetSmsHistory GetSubUserRoles GetSubUsers GetSubscriptionPrice
  GetTransactionHistory GetTransactionHistoryAsync GetUsers GetWABPhoneNumbers GetZIPCodes
  IsAccountPhoneNumber LinkregulationAddress RecoverCallList ReorderRules ReorderScenarios
  RequestSmartQueueHistory SQ_AddQueue SQ_AddSkill SQ_BindAgent SQ_BindSkill SQ_DelQueue
  SQ_DelSkill SQ_DeleteAgentCustomStatusMapping SQ_GetAgentCustomStatusMapping SQ_GetAgents
  SQ_GetQueues SQ_GetSkills SQ_SetAgentCustomStatusMapping SQ_SetAgentInfo SQ_SetQueueInfo
  SQ_SetSkillInfo SQ_UnbindAgent SQ_UnbindSkill SendSmsMessage SetApplicationInfo SetKeyValueItem
  SetPhoneNumberInfo SetPstnBlackListItem SetQueueInfo SetRuleInfo SetScenarioInfo
  SetSipWhiteListItem SetSkillInfo SetWABPhoneNumberInfo StartConference StartScenarios
  StopCallListProcessing VerifyOutboundTestPhoneNumber
`);

/** Every method that is known, sensitive or not. */
export const knownMethods: readonly string[] = [...sensitiveMethods, ...others].sort();
