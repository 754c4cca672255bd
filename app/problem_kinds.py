"""The catalogue of errors: what each code means and what to do about it, in Chinese and English."""

from __future__ import annotations

from app.problem_kinds_http import HTTP_KINDS, Kind, Text
from app.problem_kinds_kiosks import KIOSK_KINDS

KINDS: dict[str, Kind] = {
    **HTTP_KINDS,
    "purpose_needed": Kind(
        400,
        Text("请说明查阅目的", "Say what you look at this person's data for"),
        Text(
            "请加上 ?purpose=,写 handling、verification、complaint、supervision、correction 或 person_asked。",
            "Add `?purpose=`: handling, verification, complaint, supervision, correction or person_asked.",
        ),
    ),
    "unauthenticated": Kind(
        401,
        Text("需要密钥", "A key is needed"),
        Text(
            "请在 Authorization 请求头中写 Bearer 加有效密钥;密钥由管理员发放。",
            "Send `Authorization: Bearer <key>` with a valid key; an administrator issues keys.",
        ),
    ),
    "signature_invalid": Kind(
        401,
        Text("签名不符", "The signature does not match"),
        Text(
            "请用本单位的签名密钥,对 webhook-id.webhook-timestamp.正文 原样字节计算签名。",
            "Sign `webhook-id.webhook-timestamp.body` over the exact bytes with your agency's secret.",
        ),
    ),
    "timestamp_out_of_tolerance": Kind(
        401,
        Text("签名时间相差过大", "The signed time is too far from ours"),
        Text("请校准时钟后重新签名发送。", "Set your clock, sign again and send."),
    ),
    "forbidden": Kind(
        403,
        Text("此密钥无权这样做", "This key may not do that"),
        Text("请使用有相应角色的密钥。", "Use a key that has one of the roles that may."),
    ),
    "csrf_refused": Kind(
        403,
        Text("此操作不是从本系统页面发出的", "This does not come from a page of ours"),
        Text(
            "以登录状态调用时,请附 X-CSRF-Token 请求头并从本系统页面发出;系统对接请使用密钥。",
            "With a session's cookie send its `X-CSRF-Token`, from a page of this service; a system uses a key.",
        ),
    ),
    "password_change_needed": Kind(
        403,
        Text("请先更改初始密码", "The first password must be changed"),
        Text("请在 /account 页面更改密码后再试。", "Change it at `/account`, then try again."),
    ),
    "own_account": Kind(
        403,
        Text("不能更改自己的账号", "Nobody changes their own account"),
        Text("请由另一名安全管理员操作。", "Ask another security administrator to do it."),
    ),
    "not_found": Kind(
        404,
        Text("没有找到", "Not found"),
        Text(
            "请核对编号;不属于您的内容同样显示为没有找到。",
            "Check the identifier; what is not yours is not found either.",
        ),
    ),
    "method_not_allowed": Kind(
        405,
        Text("此地址不支持该方法", "This address does not take that method"),
        Text("请使用 Allow 响应头中列出的方法。", "Use a method that the Allow header lists."),
    ),
    "idempotency_conflict": Kind(
        409,
        Text("同一幂等键已用于另一内容", "This Idempotency-Key was used with another body"),
        Text(
            "新的内容请用新的幂等键;重发则内容须一字不差。",
            "Use a new key for a new body; a repeat must be the same bytes.",
        ),
    ),
    "move_not_allowed": Kind(
        409,
        Text("当前状态不允许此操作", "The present status does not allow this move"),
        Text("允许的操作见 allowed。", "The moves that are allowed are listed in `allowed`."),
    ),
    "co_handlers_open": Kind(
        409,
        Text("协办尚未办结,牵头单位不能办结", "The lead can't complete while a mandatory co-handler is open"),
        Text("请等所列协办单位办结后再回告。", "Report again when the co-handlers listed in `waiting_for` are done."),
    ),
    "bound_by_ruling": Kind(
        409,
        Text("协调员已经裁定由贵单位办理", "A coordinator has ruled that it is yours"),
        Text("裁定之后不能再退回。", "There is no return after a ruling: handle it, or call the coordinator."),
    ),
    "already_ruled": Kind(
        409,
        Text("此争议已经裁定", "This has been ruled already"),
        Text("裁定具有约束力,不再更改。", "A ruling binds and is not made twice; the detail says whose it is."),
    ),
    "act_not_allowed": Kind(
        409,
        Text("转办单的现状不允许这样做", "The handoff as it stands does not allow this"),
        Text("可以做的见 allowed。", "What a coordinator can do with it now is listed in `allowed`."),
    ),
    "lead_needed": Kind(
        409,
        Text("牵头单位不能没有接手者就撤销", "A lead is not cancelled without somebody in its place"),
        Text(
            "请改派,或写明 without_successor 为 true:此需求就此停止,其余单位一并撤销。",
            "Reassign it; or say `without_successor`: true, and the need stops, its other agencies with it.",
        ),
    ),
    "nothing_to_draft": Kind(
        409,
        Text("此裁定没有可以写进分办规则的内容", "This ruling holds nothing for the routing table"),
        Text(
            "裁定与现行规则一致,或所依规则已经不在现行表中。",
            "It says what the table says, or the rule that sent it is no longer in the table in force.",
        ),
    ),
    "already_closed": Kind(
        409,
        Text("此求助事项已经结束", "This help request has ended"),
        Text("需要新的帮助,请另行登记。", "For new help, register a new request."),
    ),
    "not_waiting_for_applicant": Kind(
        409,
        Text("目前没有单位在等补充材料", "No agency is waiting for the applicant"),
        Text("有单位要求补充材料时才能补充。", "Supplements are taken while an agency asks for them."),
    ),
    "handoff_not_open": Kind(
        409,
        Text("此转办单不在办理中", "This handoff is not being handled"),
        Text(
            "只有已转办且未结束的转办单可以发答复链接。",
            "A link answers a handoff that was dispatched and has not ended.",
        ),
    ),
    "codes_used_up": Kind(
        409,
        Text("此链接的验证码次数已用完", "This link has no more codes"),
        Text("请撤销此链接,另发一个新的。", "Revoke the link and make a new one."),
    ),
    "delivery_pending": Kind(
        409,
        Text("此送达仍在进行", "This delivery is still under way"),
        Text("已送达或已停止尝试的才可以重发。", "One that was delivered or exhausted can be sent again."),
    ),
    "agency_exists": Kind(
        409,
        Text("已有此代码的承办单位", "There is an agency with this code"),
        Text("请换一个代码,或用 PATCH 修改已有的。", "Choose another code, or change that agency with PATCH."),
    ),
    "no_endpoint": Kind(
        409,
        Text("该单位没有接收地址或签名密钥", "The agency has no endpoint, or no secret in force"),
        Text("请先设置接收地址。", "Give it an endpoint first."),
    ),
    "precondition_failed": Kind(
        412,
        Text("读取之后已有变化,未作任何改动", "It has changed since you read it; nothing was applied"),
        Text(
            "请重新读取(转办单、值班表、急难规则的现状见 current),再用新的 ETag。",
            "Read it again (a handoff, duty list or aid rules as they are now are in `current`), and send its new ETag as If-Match.",
        ),
    ),
    "precondition_required": Kind(
        428,
        Text("需要 If-Match", "If-Match is needed"),
        Text("请先读取,把所得 ETag 放入 If-Match 请求头。", "Read it first, and send its ETag as If-Match."),
    ),
    "too_many_pings": Kind(
        429,
        Text("测试过于频繁", "Too many tests of this endpoint"),
        Text("请按 Retry-After 稍后再试。", "Try again after Retry-After seconds."),
    ),
    "subscription_exists": Kind(
        409,
        Text("已有此名称的订阅", "There is a subscription with this name"),
        Text("请换一个名称,或用 PATCH 修改已有的。", "Choose another name, or change that subscription with PATCH."),
    ),
    "key_ended": Kind(
        409,
        Text("这把密钥已经失效", "This key has ended"),
        Text("请改为签发新的密钥。", "Issue a new key instead."),
    ),
    "staff_exists": Kind(
        409,
        Text("此登录名或统一身份已有账号", "There is an account with this login name or single sign-on name"),
        Text("请换一个登录名,或修改已有的账号。", "Choose another name, or change that account with PATCH."),
    ),
    "not_by_password": Kind(
        409,
        Text("此账号不用密码登录", "This account has no password"),
        Text("此人经统一身份认证登录,密码在那边重置。", "The person signs in by single sign-on; reset it there."),
    ),
    "debt_settled": Kind(
        409,
        Text("此项应补事项已按另一结果了结", "This debt was settled already, and otherwise"),
        Text("先前所记不变;请用 GET /v1/debts 查看。", "What was recorded stays; GET /v1/debts shows it."),
    ),
    "not_erasable": Kind(
        409,
        Text("现在还不能删除", "It can't be erased yet"),
        Text("原因见 why,何时可以见 possible_from。", "`why` says what stands in the way, `possible_from` until when."),
    ),
    "already_erased": Kind(
        409,
        Text("此事项的个人信息已经删除", "The personal data of this request was erased already"),
        Text("没有可暂缓删除的内容。", "There is nothing left to hold."),
    ),
    "delivery_superseded": Kind(
        409,
        Text(
            "此报文所示信息多于现在可以公开的,已作废",
            "This message shows more than may be shown now, since a consent was withdrawn",
        ),
        Text("请单位用 GET /v1/handoffs/{id} 查看。", "The agency can look at the handoff: GET /v1/handoffs/{id}."),
    ),
    "body_erased": Kind(
        409,
        Text("此报文的正文已按保管期限删除", "The bytes of this message were erased when their time was over"),
        Text("请单位用 GET /v1/handoffs/{id} 查看。", "The agency can look at the handoff: GET /v1/handoffs/{id}."),
    ),
    "sheet_refused": Kind(
        422,
        Text("表格有误,未导入任何内容", "The sheet is wrong; nothing was imported"),
        Text("请按 errors 逐处改正后重新导入。", "Mend each place that `errors` names, then import again."),
    ),
    "outcomes_refused": Kind(
        422,
        Text("会议结果有误,没有执行任何一项", "The outcomes are wrong; none of them was applied"),
        Text("请按 errors 逐处改正后重新提交。", "Mend each place that `errors` names, then send all of it again."),
    ),
    "table_not_draft": Kind(
        409,
        Text("只有草稿可以发布", "Only a draft can be published"),
        Text("已发布的版本不会再改;请导入新版本。", "A published version never changes; import a new one."),
    ),
    "table_not_published": Kind(
        409,
        Text("只有已发布的版本可以停用", "Only a published version can be retired"),
        Text("草稿不会生效,无须停用。", "A draft is never in force; leave it."),
    ),
    "table_needed": Kind(
        409,
        Text("停用后将没有生效的分办规则表", "Without this version no routing table would be in force"),
        Text("请先发布另一版。", "Publish another version first."),
    ),
    "table_not_proved": Kind(
        409,
        Text("此版分办规则表未通过检查,未发布", "The table did not pass its check and was not published"),
        Text("请按 findings 逐项改正,重新导入后再发布。", "Mend each item of `findings`, import again, then publish."),
    ),
    "no_table_in_force": Kind(
        409,
        Text("当时没有生效的分办规则表", "No routing table is in force at that time"),
        Text("请换一个时间,或指定版本。", "Choose another time, or name a version."),
    ),
    "too_slow": Kind(
        408,
        Text("请求发送过慢,连接已断开", "The call came too slowly and was cut off"),
        Text("请检查网络后用同一幂等键重发。", "Check the line, and repeat with the same Idempotency-Key."),
    ),
    "body_too_large": Kind(
        413,
        Text("正文过大", "The body is too large"),
        Text("请求正文不得超过上限。", "Keep the body within the limit."),
    ),
    "unsupported_media_type": Kind(
        415,
        Text("正文须为 JSON", "The body must be JSON"),
        Text("请写 Content-Type: application/json。", "Send `Content-Type: application/json`."),
    ),
    "validation_failed": Kind(
        422,
        Text("填写有误,未登记任何内容", "Some fields are wrong; nothing was stored"),
        Text("请按 errors 逐项改正后重发。", "Correct each item of `errors` and send again."),
    ),
    "too_many_requests": Kind(
        429,
        Text("调用过于频繁", "Too many calls"),
        Text(
            "请按 Retry-After 稍后重发;登记求助请用同一幂等键重发。急难请用 POST /v1/emergencies,不受此限。",
            "Repeat after Retry-After seconds; a request for help with the same Idempotency-Key. An emergency never "
            "waits: POST /v1/emergencies.",
        ),
    ),
    "too_many_waiting": Kind(
        429,
        Text("此密钥等待中的调用或打开的页面过多", "Too many calls of this key, or open pages, are waiting"),
        Text(
            "请复用已在等待的调用,或按 Retry-After 稍后再试。",
            "Let the calls that wait come back first; see Retry-After.",
        ),
    ),
    "internal_error": Kind(
        500,
        Text("系统内部出错", "Something failed inside"),
        Text(
            "请带上 X-Request-ID 联系管理员;可用同一幂等键重发。",
            "Give the X-Request-ID to the operator; it is safe to repeat with the same Idempotency-Key.",
        ),
    ),
    "unavailable": Kind(
        503,
        Text("暂时无法保存", "Nothing can be stored at the moment"),
        Text(
            "请按 Retry-After 稍后用同一幂等键重发。", "Repeat after Retry-After seconds with the same Idempotency-Key."
        ),
    ),
    "malformed_form": Kind(
        400,
        Text("表单不完整或格式不对", "The form is malformed or was cut short"),
        Text("请以 multipart/form-data 完整重发。", "Send the whole form again, as `multipart/form-data`."),
    ),
    "attachments_full": Kind(
        409,
        Text("附件数量已达上限", "This request has as many attachments as it may"),
        Text(
            "请把多页合并为一个 PDF,或联系协调员。",
            "Put several pages into one PDF; nothing that is there was lost.",
        ),
    ),
    "upload_too_slow": Kind(
        408,
        Text("上传过慢,已中断", "The upload was too slow and was cut off"),
        Text(
            "请在网络较好时重新上传,或先把照片缩小。",
            "Send it again over a better connection, or make the photograph smaller first.",
        ),
    ),
    "file_type_refused": Kind(
        415,
        Text("不支持这种文件", "This kind of file is not taken"),
        Text(
            "请上传照片(JPEG、PNG、WebP、HEIC)或 PDF;看内容,不看文件名。",
            "Send a photograph (JPEG, PNG, WebP, HEIC) or a PDF; its content counts, not its name.",
        ),
    ),
    "file_unusable": Kind(
        422,
        Text("文件无法打开,未保存", "The file can't be opened; nothing was kept"),
        Text("请重新拍照或重新导出后再上传。", "Take the photograph or make the file anew, and send it again."),
    ),
    "attachment_damaged": Kind(
        500,
        Text("附件已损坏或丢失", "The attachment is damaged or gone"),
        Text(
            "请带上 X-Request-ID 联系管理员从备份恢复,或请求助人重新提交。",
            "Give the X-Request-ID to the operator, who has a backup; or have the person send it again.",
        ),
    ),
    "attachments_off": Kind(
        503,
        Text("尚未设置附件存放处", "Nobody has set where attachments are kept"),
        Text(
            "请联系管理员设置;其余办理不受影响,材料可先交窗口。",
            "An operator has to set it; all else works, and papers can be handed in at the window.",
        ),
    ),
    **KIOSK_KINDS,
}
