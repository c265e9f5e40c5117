import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  grantsOfTokens,
  provider,
  sampleGrants,
  stackOf,
  type Template,
  WITH_EVERYTHING,
} from "./describe.ts";
import { type Packaged, serverlessRuns, writeService } from "./package-service.ts";
import { openMethods, permissions, property, resourcesOf, withProperties } from "./promises.ts";

const service = serverlessRuns();
let packaged: Packaged;

// A packaging takes some four seconds; on a machine that others use too, much longer.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

beforeAll(async () => {
  packaged = await service.run();
});
afterAll(service.clean);

const functions = ["vend-token", "call-method", "rotate-key", "reconcile-keys"];

describe("npm run package", () => {
  it("creates the same zips a second time", async () => {
    const again = await service.run();
    const hash = (zip: Buffer) => createHash("sha256").update(zip).digest("hex");
    for (const name of functions) expect(hash(again.zip(name))).toBe(hash(packaged.zip(name)));
  });

  it.each(functions)("puts only the bundle and its source map into the zip of %s", (name) => {
    expect(Object.keys(unzipSync(packaged.zip(name)))).toEqual(["index.mjs", "index.mjs.map"]);
  });

  it("fails on an invalid grants file and says where the problem is", async () => {
    const grants = sampleGrants.replace("[outbound-calls]", "[outbound-cals]");
    await expect(service.run({ grants })).rejects.toMatchObject({
      stdout: expect.stringMatching(/grants\.yml:\d+:\d+.*outbound-cals/) as string,
    });
  });

  it("puts the resources that infra/ describes into the template, and the functions and osls's bucket beside them", () => {
    const described = stackOf();
    expect(packaged.template.Resources).toMatchObject(described.Resources);
    expect(Object.keys(packaged.template.Resources)).toEqual([
      "ServerlessDeploymentBucket",
      "ServerlessDeploymentBucketPolicy",
      "VendTokenLambdaFunction",
      "CallMethodLambdaFunction",
      "RotateKeyLambdaFunction",
      "ReconcileKeysLambdaFunction",
      ...Object.keys(described.Resources),
    ]);
  });
});

describe("npm run package with grants of tokens alone", () => {
  it("has no function for calls, and no zip of it", async () => {
    const tokensAlone = await service.run({ grants: grantsOfTokens });
    expect(resourcesOf(tokensAlone.template, "AWS::Lambda::Function").map(([id]) => id)).toEqual([
      "VendTokenLambdaFunction",
      "RotateKeyLambdaFunction",
      "ReconcileKeysLambdaFunction",
    ]);
    expect(() => tokensAlone.zip("call-method")).toThrow("ENOENT");
  });

  it("has a function for calls in a secondary region too, with a grant of methods", async () => {
    const { template } = await service.run({ params: { primaryRegion: "eu-west-1" } });
    expect(resourcesOf(template, "AWS::Lambda::Function").map(([id]) => id)).toEqual([
      "VendTokenLambdaFunction",
      "CallMethodLambdaFunction",
    ]);
  });
});

describe("npm run template", () => {
  const template = (folder: string, stage = "dev") =>
    promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "scripts/template.ts", "--stage", stage, "--region", "us-east-1"],
      { cwd: folder },
    );
  const folderWith = (params: Record<string, string> = {}) => {
    const folder = service.folder();
    writeService(folder, { params });
    return folder;
  };

  it("creates the same functions as osls, and the same stack around them", async () => {
    const folder = folderWith();
    await template(folder);
    const plain = JSON.parse(
      readFileSync(join(folder, "dist/cloudformation/template.json"), "utf8"),
    ) as Template;
    const comparable = ({ Resources }: Template) =>
      Object.fromEntries(
        Object.entries(Resources)
          .filter(([id]) => !id.startsWith("ServerlessDeploymentBucket"))
          .map(([id, { Type, Properties }]) => {
            if (Type !== "AWS::Lambda::Function") return [id, Properties];
            // osls writes Fn::Sub for the role, and names its bucket in the code.
            const { Code, Role, ...rest } = { ...Properties };
            expect([Code, Role]).not.toContain(undefined);
            return [id, rest];
          }),
      );
    expect(comparable(plain)).toEqual(comparable(packaged.template));
    for (const name of functions)
      expect(readFileSync(join(folder, "dist/cloudformation", `${name}.zip`))).toEqual(packaged.zip(name));
  });

  it("reports in one line a value that it cannot use, and writes nothing", async () => {
    const folder = folderWith({ certificateArn: "${self:custom.certificate}" });
    await expect(template(folder)).rejects.toMatchObject({
      stderr: expect.stringMatching(/^params: certificateArn contains a variable[^\n]*\n$/) as string,
    });
    expect(existsSync(join(folder, "dist"))).toBe(false);
  });

  it("accepts an empty section of a stage and an empty parameter", async () => {
    const folder = folderWith();
    const file = join(folder, "serverless.yml");
    const text = readFileSync(file, "utf8").replace(
      /^params:$/m,
      "params:\n  prod:\n  dev:\n    alarmEmail:",
    );
    writeFileSync(file, text);
    for (const stage of ["prod", "dev"])
      expect(await template(folder, stage)).toMatchObject({
        stdout: expect.stringContaining(stage) as string,
      });
  });
});

/** A described stack with what osls adds to it. */
function withFunctions({ Resources, Outputs }: Template, functions: readonly string[]): Template {
  const ids = ["ServerlessDeploymentBucket", ...functions.map((name) => `${name}LambdaFunction`)];
  const added = Object.entries(packaged.template.Resources).filter(([id]) => ids.includes(id));
  return { Resources: { ...Object.fromEntries(added), ...Resources }, Outputs };
}

function lint(templates: Readonly<Record<string, Template>>) {
  const folder = mkdtempSync(join(tmpdir(), "lint-"));
  const files = Object.entries(templates).map(([name, template]) => {
    writeFileSync(join(folder, name), JSON.stringify(template));
    return join(folder, name);
  });
  const { status, stdout, stderr } = spawnSync("cfn-lint", ["--", ...files], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  return { status, output: stdout + stderr };
}

describe("the template", () => {
  const installed = spawnSync("cfn-lint", ["--version"]).status === 0;
  it.skipIf(!installed)(
    `has nothing that cfn-lint reports${installed ? "" : " (cfn-lint is not installed)"}`,
    () => {
      const company = stackOf({ ...WITH_EVERYTHING, rotate: "all", replicate: "all" });
      const everything = stackOf({
        rotate: "all",
        replicate: "all",
        replicaRegions: "eu-west-1",
        encryptLogs: "true",
        alarmEmail: "oncall@example.com",
        tripwires: "true",
        deployerArn: WITH_EVERYTHING.deployerArn,
      });
      const secondary = stackOf({ primaryRegion: "eu-west-1", vpcEndpointIds: "vpce-0a1b2c3d4e5f60718" });
      const tokensAlone = stackOf({}, { grants: grantsOfTokens });
      const allFunctions = ["VendToken", "CallMethod", "RotateKey", "ReconcileKeys"];
      const { output, status } = lint({
        "packaged.json": packaged.template,
        "everything.json": withFunctions(everything, allFunctions),
        "company.json": withFunctions(company, allFunctions),
        "secondary.json": withFunctions(secondary, ["VendToken", "CallMethod"]),
        "tokens.json": withFunctions(tokensAlone, ["VendToken", "RotateKey", "ReconcileKeys"]),
      });
      expect({ status, output }).toEqual({ status: 0, output: "" });
    },
  );

  it("leaves the stage to CloudFormation, because osls would change it by calls of its own", () => {
    expect(provider).not.toHaveProperty("tags");
    expect(provider).not.toHaveProperty("stackTags");
    expect(provider).not.toHaveProperty("logs");
    expect(provider["tracing"]).toEqual({ lambda: true });
  });
});

describe("the API", () => {
  it("has the contract's three routes, each for signed requests alone, and no OPTIONS: CORS is off", () => {
    const methods = resourcesOf(packaged.template, "AWS::ApiGateway::Method");
    expect(methods.map(([, method]) => property(method, "HttpMethod"))).toEqual(["GET", "POST", "POST"]);
    expect(openMethods(packaged.template)).toEqual([]);
  });

  it.each([
    "ApiMethodV1ServiceAccountsGet",
    "ApiMethodV1ServiceAccountsServiceAccountTokenPost",
    "ApiMethodV1ServiceAccountsServiceAccountMethodsMethodPost",
  ])("would fail if %s lost its AWS_IAM", (id) => {
    const careless = withProperties(packaged.template, id, { AuthorizationType: "NONE" });
    expect(openMethods(careless)).toEqual([id]);
  });
});

describe("the functions", () => {
  it.each([
    ["VendTokenLambdaFunction", 512, 10],
    ["CallMethodLambdaFunction", 512, 35],
    ["RotateKeyLambdaFunction", 256, 180],
    ["ReconcileKeysLambdaFunction", 256, 600],
  ])("%s runs Node.js 24 on arm64 with %i MB for at most %i s", (id, memory, timeout) => {
    expect(packaged.template.Resources[id]?.Properties).toMatchObject({
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
      MemorySize: memory,
      Timeout: timeout,
      TracingConfig: { Mode: "Active" },
      Environment: {
        Variables: {
          SIGNING_KEY_TTL_SECONDS: "300",
          SIGNING_KEY_MAX_STALE_SECONDS: "3600",
          VOXIMPLANT_API_URL: "https://api.voximplant.com/platform_api",
        },
      },
    });
  });

  it("each have a role of their own, and osls adds none", () => {
    const roles = ["VendToken", "CallMethod", "RotateKey", "ReconcileKeys"].map((name) =>
      property(packaged.template.Resources[`${name}LambdaFunction`], "Role"),
    );
    expect(roles).toEqual([
      { "Fn::Sub": "${VendTokenRole.Arn}" },
      { "Fn::Sub": "${CallMethodRole.Arn}" },
      { "Fn::Sub": "${RotateKeyRole.Arn}" },
      { "Fn::Sub": "${ReconcileKeysRole.Arn}" },
    ]);
    expect(resourcesOf(packaged.template, "AWS::IAM::Role").map(([id]) => id)).toEqual([
      "LogRole",
      "VendTokenRole",
      "CallMethodRole",
      "RotateKeyRole",
      "ReconcileKeysRole",
    ]);
  });

  it("have the names that the alarms, the log groups and the dashboard use", () => {
    const names = resourcesOf(packaged.template, "AWS::Lambda::Function").map(([, fn]) =>
      property(fn, "FunctionName"),
    );
    const groups = resourcesOf(packaged.template, "AWS::Logs::LogGroup").map(([, group]) =>
      property(group, "LogGroupName"),
    );
    expect(groups).toEqual(expect.arrayContaining(names.map((name) => `/aws/lambda/${String(name)}`)));
    const watched = resourcesOf(packaged.template, "AWS::CloudWatch::Alarm")
      .filter(([, alarm]) => property(alarm, "Namespace") === "AWS/Lambda")
      .map(([, alarm]) => property(alarm, "Dimensions", 0, "Value"));
    expect(new Set(watched)).toEqual(new Set(names));
  });
});

describe("the role of", () => {
  const secrets = [
    '{"Ref":"SecretVoximplantCallHistory719b5b41"}',
    '{"Ref":"SecretVoximplantOutboundCalls09ae40ea"}',
  ];
  const onSecrets = (...actions: readonly string[]) =>
    actions.flatMap((action) => secrets.map((secret) => `Allow secretsmanager:${action} on ${secret}`));
  const onKey = (...actions: readonly string[]) =>
    actions.map((action) => `Allow kms:${action} on {"Fn::GetAtt":["SigningKeysKey","Arn"]}`);
  const onReaders = (...actions: readonly string[]) =>
    actions.flatMap((action) =>
      ["vend-token", "call-method"].map(
        (name) =>
          `Allow lambda:${action} on {"Fn::Sub":"arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:voximplant-token-vendor-dev-${name}"}`,
      ),
    );
  const own = (log: string) => [
    `Allow logs:CreateLogStream on {"Fn::GetAtt":["${log}","Arn"]}`,
    `Allow logs:PutLogEvents on {"Fn::GetAtt":["${log}","Arn"]}`,
    "Allow xray:PutTraceSegments on *",
    "Allow xray:PutTelemetryRecords on *",
  ];
  const everyKeyAction = [
    "DescribeSecret",
    "GetSecretValue",
    "ListSecretVersionIds",
    "PutSecretValue",
    "UpdateSecretVersionStage",
  ];
  const promised: Readonly<Record<string, readonly string[]>> = {
    VendTokenRole: [...onSecrets("GetSecretValue"), ...onKey("Decrypt"), ...own("VendTokenLogGroup")],
    CallMethodRole: [
      `Allow secretsmanager:GetSecretValue on ${String(secrets[1])}`,
      ...onKey("Decrypt"),
      ...own("CallMethodLogGroup"),
    ],
    RotateKeyRole: [
      ...onSecrets(...everyKeyAction),
      ...onKey("Decrypt", "GenerateDataKey"),
      ...own("RotateKeyLogGroup"),
    ],
    ReconcileKeysRole: [
      ...onSecrets(...everyKeyAction, "TagResource"),
      ...onKey("Decrypt", "GenerateDataKey"),
      ...onReaders("GetFunctionConfiguration", "UpdateFunctionConfiguration"),
      ...own("ReconcileKeysLogGroup"),
    ],
  };

  it.each(Object.keys(promised))("%s allows exactly what its function does", (role) => {
    expect([...permissions(packaged.template, role)].sort()).toEqual([...(promised[role] ?? [])].sort());
  });

  it.each(Object.keys(promised))("%s would fail this test with one more action", (role) => {
    const mutated = JSON.parse(
      JSON.stringify(packaged.template).replaceAll(
        '"logs:PutLogEvents"',
        '"logs:PutLogEvents","s3:GetObject"',
      ),
    ) as Template;
    expect([...permissions(mutated, role)].sort()).not.toEqual([...(promised[role] ?? [])].sort());
  });
});
